//! What an opened file is: a store of this format, one of an earlier format, a damaged one, or nothing yet. Only the header page
//! is read; the file may be hostile.

use crate::attach::format_2::{self, Format2};
use crate::file::error::AttachError;
use crate::file::layout::{FORMAT, HEADER_SIZE, MAGIC, MAX_SHARDS, fingerprint, header};
use crate::file::store_file::{Constants, MAKING, StoreFile, bytes, checksum, io_error, word32, word64};

/// What an opened file turned out to be; call with the attach byte locked.
pub(crate) enum Content {
    /// Nothing yet, or left half-made.
    Blank,
    /// A store of this format.
    Store(Constants),
    /// A store that another version of this program made: of an older format, or of this one laid out otherwise.
    OtherFormat {
        /// Its format.
        format: u32,
        /// Its layout.
        layout: u32,
        /// Its header, where its sessions can be read.
        header: Option<Box<Format2>>,
    },
    /// No store, or one whose header is damaged; what is wrong with it.
    Damaged(String),
}

/// Formats up to this number may come to be: a file that names one is left to the version that wrote it.
const LAST_FORMAT: u32 = 1000;

impl StoreFile {
    /// Reads the header page and says what the file is. The caller has locked [`crate::file::byte_lock::Byte::Attach`].
    pub(crate) fn content(&self) -> Result<Content, AttachError> {
        let mut page = [0u8; HEADER_SIZE as usize];
        let got = self.read_at(&mut page, 0).map_err(|e| io_error(&self.path, "read its header", e))?;
        if got == 0 {
            return Ok(Content::Blank);
        }
        match word64(&page, header::MAGIC) {
            MAKING => return Ok(Content::Blank),
            MAGIC => {}
            found => return Ok(Content::Damaged(format!("it begins with {found:#018x} instead of the magic number"))),
        }
        if got < page.len() {
            return Ok(Content::Damaged(format!("its header ends after {got} bytes")));
        }
        let (format, layout) = (word32(&page, header::FORMAT), word32(&page, header::FINGERPRINT));
        let whole = word64(&page, header::CHECK) == checksum(&page);
        if (format, layout) == (format_2::FORMAT, format_2::LAYOUT) && whole {
            let header = Format2::parse(&page).map(Box::new);
            return Ok(Content::OtherFormat { format, layout, header });
        }
        // With a layout that is known here, a number that is not is damage.
        if format < FORMAT && (whole || ![format_2::LAYOUT, fingerprint()].contains(&layout)) {
            return Ok(Content::OtherFormat { format, layout, header: None });
        }
        if format > FORMAT && (whole || format <= LAST_FORMAT) {
            return Err(AttachError::LaterFormat { path: self.path.clone(), found: format, expected: FORMAT });
        }
        if !whole {
            return Ok(Content::Damaged("the checksum of its header does not match".to_owned()));
        }
        if layout != fingerprint() {
            return Ok(Content::OtherFormat { format, layout, header: None });
        }
        let shards = word32(&page, header::SHARDS);
        if !shards.is_power_of_two() || shards > MAX_SHARDS {
            return Ok(Content::Damaged(format!("it claims {shards} shards")));
        }
        let mut secret = [0u8; 32];
        secret.copy_from_slice(bytes(&page, header::SECRET, 32));
        Ok(Content::Store(Constants { shards, secret }))
    }
}
