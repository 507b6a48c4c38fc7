//! How things are printed: tables and colours on a terminal, plain columns where the output goes elsewhere, JSON on demand.

use std::io::{IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use cloakroom_session::seam::printable::is_harmless;

pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(crate) const HEADER: Style = Style::new().bold();

/// Prints text, without styles where the output takes none. A reader that has gone away is no failure.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = anstream::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Whether people are likely to read what is printed.
pub(crate) fn is_for_people() -> bool {
    std::io::stdout().is_terminal()
}

/// Columns: aligned on a terminal, separated by tabs elsewhere. The columns of `numbers` are aligned to the right.
pub(crate) fn columns(header: &[&str], numbers: &[usize], rows: &[Vec<String>], aligned: bool) -> String {
    if !aligned {
        let lines = std::iter::once(header.join("\t")).chain(rows.iter().map(|row| row.join("\t")));
        return lines.map(|line| line + "\n").collect();
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().copied());
    table.add_rows(rows);
    for number in numbers {
        if let Some(column) = table.column_mut(*number) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut lines = table.lines();
    let head = lines.next().unwrap_or_default();
    let head = format!("{HEADER}{}{HEADER:#}\n", head.trim_end());
    std::iter::once(head).chain(lines.map(|line| line.trim_end().to_owned() + "\n")).collect()
}

/// Prints `value` as JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    let mut text = json(value)?;
    text.push('\n');
    print(&text)
}

/// `value` as JSON in which every character that a terminal might obey is escaped.
pub(crate) fn json(value: &impl Serialize) -> Result<String> {
    let mut out = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut out, Harmless(PrettyFormatter::new())))?;
    Ok(String::from_utf8(out)?)
}

/// A progress bar on standard error, if that is a terminal. `unit` is what is counted.
pub(crate) fn progress(total: u64, unit: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}  {elapsed}");
    let bar = ProgressBar::new(total).with_message(unit.to_owned());
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

struct Harmless(PrettyFormatter<'static>);

type Io<T> = std::io::Result<T>;

impl Formatter for Harmless {
    fn write_string_fragment<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, fragment: &str) -> Io<()> {
        let mut rest = fragment;
        while let Some((at, character)) = rest.char_indices().find(|(_, character)| !is_harmless(*character)) {
            let (harmless, behind) = rest.split_at(at);
            writer.write_all(harmless.as_bytes())?;
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = behind.get(character.len_utf8()..).unwrap_or_default();
        }
        writer.write_all(rest.as_bytes())
    }

    fn begin_array<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> Io<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> Io<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> Io<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> Io<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> Io<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> Io<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> Io<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> Io<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> Io<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_harmless_and_still_says_the_same() {
        let text = "a\u{1b}[2J\u{7f}\u{9b}\u{202e}\u{e0041}\"\\é🙂\n";
        let written = json(&text).expect("JSON");
        assert!(written.chars().all(is_harmless), "{}", written.escape_debug());
        assert!(written.contains("é🙂"));
        assert_eq!(serde_json::from_str::<String>(&written).expect("JSON"), text);
    }

    #[test]
    fn columns_are_aligned_for_people_and_plain_for_programs() {
        let rows = [vec!["a".to_owned(), "1 B".to_owned()], vec!["bb".to_owned(), "20 B".to_owned()]];
        assert_eq!(columns(&["name", "size"], &[1], &rows, false), "name\tsize\na\t1 B\nbb\t20 B\n");
        let table = columns(&["name", "size"], &[1], &rows, true);
        let plain: String = anstream::adapter::strip_str(&table).to_string();
        assert_eq!(plain, " name  size\n a      1 B\n bb    20 B\n");
    }
}
