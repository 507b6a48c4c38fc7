//! Calls of PHP's functions, and the shape of the tables that PHP gets.
//!
//! | module | what it holds |
//! |---|---|
//! | `php` | PHP's side in Rust signatures, over `src/zend/shim.c` |
//! | `ps_module` | a mirror of PHP's interface for save handlers |

pub(crate) mod php;
pub(crate) mod ps_module;
