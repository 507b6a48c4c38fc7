//! Drawing ids that no session has.

use crate::error::RequestError;
use crate::id::{IdShape, MAX_DRAWS, MAX_ID, Namespace, SessionId};
use crate::seam::Store;

/// Draws an id that no session in `store` has, as far as that can be found out on this machine.
pub(crate) fn draw_id<'a>(
    store: Option<&dyn Store>,
    namespace: &Namespace,
    shape: IdShape,
    out: &'a mut [u8; MAX_ID],
) -> Result<SessionId<'a>, RequestError> {
    for _ in 0..MAX_DRAWS {
        let id = shape.draw(out)?;
        // A round trip is a high price for a question whose answer is known but for a chance below 2⁻⁶⁴.
        let asked = store.filter(|store| !store.is_remote());
        let exists = asked.is_some_and(|store| store.exists(&store.key(namespace, &id)).unwrap_or(false));
        if !exists {
            let length = id.as_bytes().len();
            return Ok(SessionId::parse(out.get(..length).unwrap_or_default())?);
        }
    }
    Err(RequestError::Collision)
}
