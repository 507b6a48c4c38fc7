//! The file that `export` makes and `import` reads. `docs/export-format.md` draws it byte by byte.

use std::io::{self, BufRead, Read, Write};

use cloakroom_session::Key;
use cloakroom_session::seam::MAX_PAYLOAD;
use cloakroom_session::seam::{Entry, KeyOrigin};
use twox_hash::XxHash3_64;
use zstd::stream::{read::Decoder, write::Encoder};

use crate::failure::Refusal;

const MAGIC: [u8; 8] = *b"CLKRMEX\n";
/// Version of the format.
const VERSION: u32 = 2;
/// The version before it, whose records have no optional fields.
const WITHOUT_FIELDS: u32 = 1;
/// Keys are made as the local store makes them.
const LOCAL_KEYS: u32 = 1;
/// Keys are made as the Redis store makes them.
const REMOTE_KEYS: u32 = 2;
const HEADER: usize = 64;
/// The bytes behind the 16 of a key.
const BEHIND_KEY: [u8; 16] = [0; 16];
/// Bytes of a record in front of its optional fields, or of the payload where it can have none.
const FIXED: usize = 32 + 3 * 8 + 4;
/// Most bytes of a record's optional fields: kind (2), length (2) and content of each.
const MOST_FIELDS: usize = 64 << 10;
/// The flag of a session that was asked for again after the request that began it.
const RETURNED: u32 = 1;
/// Seed of the end's checksum: no record has this number.
const END: u64 = u64::MAX;
/// Sessions resemble each other, so that little effort removes most of the repetition.
const LEVEL: i32 = 3;

/// A session as it is in the file.
pub(crate) struct Record {
    pub(crate) key: Key,
    pub(crate) created: u64,
    pub(crate) expires: u64,
    pub(crate) returned: bool,
    pub(crate) payload: Vec<u8>,
}

/// Writes an export, session by session.
pub(crate) struct Writer<W: Write> {
    out: Encoder<'static, W>,
    count: u64,
}

impl<W: Write> Writer<W> {
    pub(crate) fn begin(mut out: W, origin: KeyOrigin, now: u64) -> io::Result<Self> {
        let (kind, secret) = match origin {
            KeyOrigin::LocalSecret(secret) => (LOCAL_KEYS, secret),
            KeyOrigin::RemoteHash => (REMOTE_KEYS, [0; 32]),
        };
        out.write_all(&header(VERSION, kind, now, secret))?;
        Ok(Self { out: Encoder::new(out, LEVEL)?, count: 0 })
    }

    pub(crate) fn add(&mut self, entry: &Entry, payload: &[u8]) -> io::Result<()> {
        let mut body = Vec::with_capacity(FIXED + 4 + payload.len());
        body.extend_from_slice(&entry.key.to_bytes());
        body.extend_from_slice(&BEHIND_KEY);
        for time in [entry.created, entry.used, entry.expires] {
            body.extend_from_slice(&time.to_le_bytes());
        }
        body.extend_from_slice(&if entry.returned { RETURNED } else { 0 }.to_le_bytes());
        // No optional fields: a session has nothing yet that would be one.
        body.extend_from_slice(&0u32.to_le_bytes());
        body.extend_from_slice(payload);
        self.record(&body, self.count)?;
        self.count += 1;
        Ok(())
    }

    /// Writes the end, without which a file counts as cut short.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        let count = self.count.to_le_bytes();
        self.out.write_all(&0u32.to_le_bytes())?;
        self.out.write_all(&XxHash3_64::oneshot_with_seed(END, &count).to_le_bytes())?;
        self.out.write_all(&count)?;
        self.out.finish()
    }

    fn record(&mut self, body: &[u8], number: u64) -> io::Result<()> {
        let length = u32::try_from(body.len()).map_err(io::Error::other)?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(&XxHash3_64::oneshot_with_seed(number, body).to_le_bytes())?;
        self.out.write_all(body)
    }
}

/// The bytes in front of the records.
fn header(version: u32, kind: u32, now: u64, secret: [u8; 32]) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&version.to_le_bytes());
    header.extend_from_slice(&kind.to_le_bytes());
    header.extend_from_slice(&now.to_le_bytes());
    header.extend_from_slice(&secret);
    header.extend_from_slice(&XxHash3_64::oneshot(&header).to_le_bytes());
    header
}

/// Reads an export, session by session.
pub(crate) struct Reader<R: BufRead> {
    input: Decoder<'static, R>,
    version: u32,
    pub(crate) origin: KeyOrigin,
    count: u64,
    ended: bool,
}

impl<R: BufRead> Reader<R> {
    pub(crate) fn begin(mut input: R) -> anyhow::Result<Self> {
        let mut header = [0; HEADER];
        input.read_exact(&mut header).map_err(|error| cut_short(error, "its header is cut short"))?;
        let mut fields = Fields(&header);
        if fields.take::<8>() != MAGIC {
            return Err(Refusal::Damaged("it does not begin as an export of sessions does".to_owned()).into());
        }
        let (version, kind) = (u32::from_le_bytes(fields.take()), u32::from_le_bytes(fields.take()));
        if !matches!(version, WITHOUT_FIELDS | VERSION) || !matches!(kind, LOCAL_KEYS | REMOTE_KEYS) {
            return Err(Refusal::OtherVersion(format!(
                "it is of version {version}, with keys of kind {kind}; this command reads versions {WITHOUT_FIELDS} and \
                 {VERSION} with keys of kinds {LOCAL_KEYS} and {REMOTE_KEYS}"
            ))
            .into());
        }
        let _exported: [u8; 8] = fields.take();
        let secret = fields.take();
        let (covered, check) = header.split_at(HEADER - 8);
        if XxHash3_64::oneshot(covered).to_le_bytes() != check {
            return Err(Refusal::Damaged("the checksum of its header does not match".to_owned()).into());
        }
        let input = Decoder::with_buffer(input)?;
        let origin = if kind == LOCAL_KEYS { KeyOrigin::LocalSecret(secret) } else { KeyOrigin::RemoteHash };
        Ok(Self { input, version, origin, count: 0, ended: false })
    }

    /// The next session; `None` behind the last one, when the end has been found to be right.
    pub(crate) fn next(&mut self) -> anyhow::Result<Option<Record>> {
        if self.ended {
            return Ok(None);
        }
        let mut head = [0; 12];
        self.fill(&mut head)?;
        let mut fields = Fields(&head);
        let (length, check) = (u32::from_le_bytes(fields.take()) as usize, u64::from_le_bytes(fields.take()));
        if length == 0 {
            let mut count = [0; 8];
            self.fill(&mut count)?;
            let right = XxHash3_64::oneshot_with_seed(END, &count) == check && count == self.count.to_le_bytes();
            let behind =
                self.input.read(&mut [0]).map_err(|error| cut_short(error, "what follows its end is damaged"))?;
            if !right || behind > 0 {
                return Err(self.damaged("its end does not fit to what stands before it"));
            }
            self.ended = true;
            return Ok(None);
        }
        let (least, fields) = if self.version == WITHOUT_FIELDS { (FIXED, 0) } else { (FIXED + 4, MOST_FIELDS) };
        if !(least..=least + fields + MAX_PAYLOAD).contains(&length) {
            return Err(self.damaged("it has a length that no session has"));
        }
        let mut body = vec![0; length];
        self.fill(&mut body)?;
        if XxHash3_64::oneshot_with_seed(self.count, &body) != check {
            return Err(self.damaged("its checksum does not match"));
        }
        self.count += 1;
        let mut fields = Fields(&body);
        let key = Key::from_bytes(fields.take());
        let _behind_key = fields.take::<{ BEHIND_KEY.len() }>();
        let [created, _used, expires] = [(); 3].map(|()| u64::from_le_bytes(fields.take()));
        let returned = u32::from_le_bytes(fields.take()) & RETURNED != 0;
        let payload = if self.version == WITHOUT_FIELDS { Some(fields.0) } else { fields.behind_optional() };
        let Some(payload) = payload.filter(|payload| payload.len() <= MAX_PAYLOAD) else {
            return Err(self.damaged("its optional fields do not fit into it"));
        };
        Ok(Some(Record { key, created, expires, returned, payload: payload.to_vec() }))
    }

    fn fill(&mut self, bytes: &mut [u8]) -> anyhow::Result<()> {
        self.input.read_exact(bytes).map_err(|error| {
            let session = self.count + 1;
            cut_short(error, &format!("it is damaged or cut short at session {session}"))
        })
    }

    fn damaged(&self, what: &str) -> anyhow::Error {
        Refusal::Damaged(format!("session {}: {what}", self.count + 1)).into()
    }
}

/// A failure of the file system stays one; what the bytes themselves are to blame for is damage.
fn cut_short(error: io::Error, what: &str) -> anyhow::Error {
    if error.raw_os_error().is_some() {
        return error.into();
    }
    Refusal::Damaged(format!("{what} ({error})")).into()
}

/// Fields of fixed length, one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// What stands behind the optional fields of a record, of which this version needs none. `None` where they are not whole.
    fn behind_optional(&mut self) -> Option<&'a [u8]> {
        let length = u32::from_le_bytes(self.take()) as usize;
        let (mut optional, payload) = self.0.split_at_checked(length).filter(|_| length <= MOST_FIELDS)?;
        while !optional.is_empty() {
            let ([_, _, low, high], rest) = optional.split_first_chunk()?;
            optional = rest.get(usize::from(u16::from_le_bytes([*low, *high]))..)?;
        }
        Some(payload)
    }

    /// The next field; zeros where the bytes are too few, which callers have made sure they are not.
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self.0.split_first_chunk().unwrap_or((&[0; N], &[]));
        self.0 = rest;
        *field
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(count: u8) -> Vec<u8> {
        let mut writer = Writer::begin(Vec::new(), KeyOrigin::LocalSecret([9; 32]), 1000).expect("memory");
        for i in 0..count {
            let entry = Entry {
                key: Key::from_bytes([i; 16]),
                incarnation: 1,
                version: 1,
                created: 10,
                used: 20,
                expires: 30,
                size: 0,
                reserved: false,
                returned: i % 2 == 1,
                locked: false,
                retired: false,
            };
            writer.add(&entry, &vec![i; usize::from(i) * 10]).expect("memory");
        }
        writer.finish().expect("memory")
    }

    fn read(bytes: &[u8]) -> anyhow::Result<Vec<Record>> {
        let mut reader = Reader::begin(bytes)?;
        let mut records = Vec::new();
        while let Some(record) = reader.next()? {
            records.push(record);
        }
        Ok(records)
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = sample(20);
        let reader = Reader::begin(&bytes[..]).expect("a header");
        assert!(reader.origin == KeyOrigin::LocalSecret([9; 32]));
        let records = read(&bytes).expect("whole");
        assert_eq!(records.len(), 20);
        for (i, record) in (0..).zip(&records) {
            assert!(record.key == Key::from_bytes([i; 16]) && record.payload == vec![i; usize::from(i) * 10]);
            assert_eq!((record.created, record.expires, record.returned), (10, 30, i % 2 == 1));
        }
        assert!(read(&sample(0)).expect("whole").is_empty());
    }

    #[test]
    fn damage_anywhere_is_found() {
        let bytes = sample(3);
        for cut in 0..bytes.len() {
            assert!(read(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            // What zstd itself does not look at may pass, if the sessions are what they were.
            if let Ok(records) = read(&damaged) {
                assert!(at >= HEADER && records.len() == 3, "changed at {at}");
                for (i, record) in (0..).zip(&records) {
                    let same = record.key == Key::from_bytes([i; 16]) && record.payload == vec![i; usize::from(i) * 10];
                    assert!(same && (record.created, record.expires) == (10, 30), "changed at {at}");
                }
            }
        }
        let mut doubled = bytes.clone();
        doubled.extend_from_slice(&bytes);
        assert!(read(&doubled).is_err());
    }

    /// A record with these bytes where the length of its optional fields stands, these fields and this payload.
    fn body(length: &[u8], fields: &[u8], payload: &[u8]) -> Vec<u8> {
        let own = (fields.len() as u32).to_le_bytes();
        [&[7; FIXED][..], if length.is_empty() { &own } else { length }, fields, payload].concat()
    }

    /// As many bytes of optional fields as there may be, all of one.
    fn most_fields() -> Vec<u8> {
        [&[9, 0, 0xfc, 0xff][..], &[1; 0xfffc]].concat()
    }

    /// An export of this version with these records.
    fn with_records(version: u32, bodies: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = header(version, REMOTE_KEYS, 1000, [0; 32]);
        let mut writer = Writer { out: Encoder::new(Vec::new(), LEVEL).expect("memory"), count: 0 };
        for body in bodies {
            writer.record(body, writer.count).expect("memory");
            writer.count += 1;
        }
        bytes.extend(writer.finish().expect("memory"));
        bytes
    }

    #[test]
    fn the_version_before_is_read() {
        let bytes = with_records(1, &[[&[7; FIXED][..], b"payload"].concat(), vec![8; FIXED]]);
        let payloads: Vec<Vec<u8>> = read(&bytes).expect("whole").into_iter().map(|record| record.payload).collect();
        assert_eq!(payloads, [b"payload".to_vec(), Vec::new()]);
    }

    #[test]
    fn optional_fields_are_passed_over() {
        let some: &[u8] = &[1, 0, 2, 0, b'a', b'b', 0xff, 0xff, 0, 0];
        let bodies = [body(&[], some, b"payload"), body(&[], &most_fields(), b""), body(&[], &[], b"last")];
        let payloads: Vec<Vec<u8>> =
            read(&with_records(2, &bodies)).expect("whole").into_iter().map(|record| record.payload).collect();
        assert_eq!(payloads, [b"payload".to_vec(), Vec::new(), b"last".to_vec()]);
    }

    #[test]
    fn optional_fields_that_are_not_whole_are_damage() {
        let more = [&most_fields()[..], &[0; 4]].concat();
        let cases = [
            body(&[], &[1, 0, 3, 0, b'a', b'b'], b"payload"),
            body(&[], &[1, 0, 0], b"payload"),
            body(&[8, 0, 0, 0], &[], b"payload"),
            body(&[0xff; 4], &[], b"payload"),
            body(&[], &more, b"payload"),
            body(&[], &[], &vec![0; MAX_PAYLOAD + 1]),
        ];
        for (number, body) in cases.into_iter().enumerate() {
            let code = read(&with_records(2, &[body])).map(drop).map_err(|error| crate::failure::code(&error));
            assert_eq!(code, Err(crate::failure::Code::Damaged), "case {number}");
        }
    }

    #[test]
    fn an_end_that_counts_otherwise_is_found() {
        for count in [2, 4] {
            let mut writer = Writer::begin(Vec::new(), KeyOrigin::RemoteHash, 1000).expect("memory");
            for number in 0..3 {
                writer.record(&body(&[], &[], b""), number).expect("memory");
            }
            writer.count = count;
            assert!(read(&writer.finish().expect("memory")).is_err(), "{count}");
        }
        let mut writer = Writer::begin(Vec::new(), KeyOrigin::RemoteHash, 1000).expect("memory");
        // The number of a record is in its checksum, so none can be left out or moved.
        writer.record(&body(&[], &[], b""), 1).expect("memory");
        writer.count = 1;
        assert!(read(&writer.finish().expect("memory")).is_err());
    }

    #[test]
    fn another_version_is_told_from_damage() {
        let mut bytes = sample(1);
        bytes[8] = 3;
        let code = |bytes: &[u8]| read(bytes).map(drop).map_err(|error| crate::failure::code(&error));
        assert_eq!(code(&bytes), Err(crate::failure::Code::OtherVersion));
        bytes[0] = 0;
        assert_eq!(code(&bytes), Err(crate::failure::Code::Damaged));
    }
}
