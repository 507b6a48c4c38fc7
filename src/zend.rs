//! What PHP is asked, and the shape of what PHP is given.
//!
//! | module | what it holds |
//! |---|---|
//! | `php` | PHP's side in Rust signatures, over `src/zend/shim.c` |
//! | `ps_module` | a mirror of PHP's interface for save handlers |

pub(crate) mod php;
pub(crate) mod ps_module;
