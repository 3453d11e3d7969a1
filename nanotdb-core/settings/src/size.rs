//! Byte sizes as text.

use crate::quoted;

const UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

/// What error messages say about the notation.
pub(crate) const ACCEPTED: &str = "bytes, or a whole number with B, kB, MB, GB, KiB, MiB, GiB or TiB such as \"64MiB\"";

/// Parses a size such as `64MiB`, `10 MB` or `4096` into bytes.
/// The error is a sentence that says what is accepted.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let refuse = || format!("size {}: accepted are {ACCEPTED}", quoted(text));
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let factor = match unit.trim_start() {
        "" if unit.is_empty() => 1,
        unit => UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor).ok_or_else(refuse)?,
    };
    let number: u64 = digits.parse().map_err(|_| refuse())?;
    // TOML has signed integers, so a larger size could not be written back.
    number.checked_mul(factor).filter(|bytes| *bytes <= i64::MAX as u64).ok_or_else(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let cases =
            [("0", 0), ("4096", 4_096), ("64MiB", 67_108_864), ("64 MiB", 67_108_864), ("1kB", 1_000), ("7B", 7)];
        for (text, bytes) in cases {
            assert_eq!(parse_size(text).unwrap(), bytes);
        }
        for text in ["", "MiB", "-1", "1.5MiB", "64M", "64mib", "1 ", "9000000TiB", "18446744073709551615", "\u{e9}"] {
            let message = parse_size(text).unwrap_err();
            assert!(message.contains(&format!("{text:?}")) && message.contains("64MiB"), "{message}");
        }
    }
}
