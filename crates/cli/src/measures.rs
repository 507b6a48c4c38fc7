//! Durations and sizes as people write and read them.

use std::time::Duration;

/// `90`, `90s`, `15m`, `2h`, `3d`, `1w`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return Err("give a number with s, m, h, d or w, as in 15m".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "give a number with s, m, h, d or w, as in 15m".to_owned())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(|| "that is too long".to_owned())
}

/// `500`, `10K`, `1M`, `2G`.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let shift = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 10,
        "M" | "MB" | "MIB" => 20,
        "G" | "GB" | "GIB" => 30,
        _ => return Err("give a number of bytes, or one with K, M or G".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "give a number of bytes, or one with K, M or G".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "that is too much".to_owned())
}

fn split(text: &str) -> (&str, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (text.get(..digits).unwrap_or_default(), text.get(digits..).unwrap_or_default())
}

/// `0s`, `59s`, `3m 5s`, `2h 5m`, `3d 4h`: the two largest units.
pub(crate) fn duration(seconds: u64) -> String {
    let units = [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let Some(first) = units.iter().position(|(number, _)| *number > 0) else { return "0s".to_owned() };
    let shown = units.iter().skip(first).take(2).filter(|(number, _)| *number > 0);
    shown.map(|(number, unit)| format!("{number}{unit}")).collect::<Vec<_>>().join(" ")
}

/// `512 B`, `1.5 KiB`, `12 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    let mut tenths = bytes.saturating_mul(10);
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if tenths < 10_240 || unit == "GiB" {
            let whole = tenths / 10;
            return if unit == "B" || whole >= 100 || tenths.is_multiple_of(10) {
                format!("{whole} {unit}")
            } else {
                format!("{whole}.{} {unit}", tenths % 10)
            };
        }
        tenths = tenths.saturating_add(512) / 1024;
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        assert_eq!(parse_duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(parse_duration("1w"), Ok(Duration::from_secs(604_800)));
        for wrong in ["", "m", "1y", "-1s", "1.5h", "99999999999999999w"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
        let written = [0, 59, 60, 185, 3600, 7503, 86_400, 273_600].map(duration);
        assert_eq!(written, ["0s", "59s", "1m", "3m 5s", "1h", "2h 5m", "1d", "3d 4h"]);
    }

    #[test]
    fn sizes_are_read_and_written() {
        assert_eq!(parse_size("500"), Ok(500));
        assert_eq!(parse_size("10k"), Ok(10_240));
        assert_eq!(parse_size("2GiB"), Ok(2 << 30));
        for wrong in ["", "K", "1T", "-5", "18446744073709551615G"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
        let written = [0, 1, 1023, 1024, 1536, 102_400, 1_048_576, 5 << 30, 3000 << 30].map(size);
        assert_eq!(written, ["0 B", "1 B", "1023 B", "1 KiB", "1.5 KiB", "100 KiB", "1 MiB", "5 GiB", "3000 GiB"]);
    }
}
