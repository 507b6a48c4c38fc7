//! The variables in which frameworks keep a whole session: arrays whose keys have nothing to do with each other, as little
//! as the session's own variables have.

use super::Format;
use super::names::variable_name;

/// Their names.
const BAGS: [&[u8]; 6] = [
    // Symfony's attributes, those of what is built with it, and Contao's two more.
    b"_sf2_attributes",
    b"_contao_be_attributes",
    b"_contao_fe_attributes",
    // What Laminas and its predecessor note of each container and each request.
    b"__Laminas",
    b"__ZF",
    // Joomla's namespace.
    b"__default",
];

/// Whether a variable, by its key as the format writes it, is such an array.
pub(super) fn is_bag(format: Format, key: &[u8]) -> bool {
    variable_name(format, key).is_some_and(|name| BAGS.contains(&name))
}
