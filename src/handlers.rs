//! The two ways to keep sessions with Cloakroom: the save handler that `session.save_handler` names, and the class of whose
//! objects scripts and frameworks make handlers.
//!
//! | module | what it holds |
//! |---|---|
//! | `native` | the nine functions that PHP's session module calls |
//! | `rotation` | whether `session_regenerate_id()` may begin, and what a rotation becomes that fails |
//! | `class` | the methods of `Cloakroom\SessionHandler`, over `src/handlers/class.c`; an object that was opened works as `native` |

pub(crate) mod class;
pub(crate) mod native;
pub(crate) mod rotation;
