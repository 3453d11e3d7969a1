//! Names of databases and metrics, and patterns over them.

/// Longest database name in bytes; it is also a directory name.
pub const MAX_DATABASE_NAME: usize = 64;
/// Longest metric name in bytes: its length has one byte on disk.
pub const MAX_METRIC_NAME: usize = 255;

/// The database of the engine's own metrics, hidden unless asked for.
pub const INTERNAL_DATABASE: &str = "internal";

/// Checks a database name: 1 to 64 of `A-Z a-z 0-9 _ . -`, not starting with `.` or `-`.
///
/// The error says what is wrong with it and what is accepted. Such a name is safe as a directory name.
pub fn check_database_name(name: &[u8]) -> Result<&str, String> {
    const ACCEPTED: &str = "accepted are 1 to 64 of A-Z a-z 0-9 _ . -, not starting with . or -";
    let reason = match name {
        [] => "empty".to_owned(),
        [first @ (b'.' | b'-'), ..] => format!("starts with {:?}", char::from(*first)),
        _ if name.len() > MAX_DATABASE_NAME => format!("{} bytes long", name.len()),
        _ => match name.iter().position(|b| !(b.is_ascii_alphanumeric() || b"_.-".contains(b))) {
            Some(at) => describe(name, at),
            None => return std::str::from_utf8(name).map_err(|e| e.to_string()),
        },
    };
    // A label with a slash in it: `node_disk_bytes{device="/dev/sda"}`.
    let hint = match name.contains(&b'{') {
        true => "; text of Prometheus goes to /api/v1/import/prometheus (nanocli import --format prometheus)",
        false => "",
    };
    Err(format!("database name: {reason}; {ACCEPTED}{hint}"))
}

/// Checks a metric name: 1 to 255 bytes of UTF-8 without white space and control characters.
///
/// The error says what is wrong with it and what is accepted.
#[inline]
pub fn check_metric_name(name: &[u8]) -> Result<&str, String> {
    // Nearly all names are printable ASCII; one pass settles those.
    if name.iter().all(u8::is_ascii_graphic)
        && (1..=MAX_METRIC_NAME).contains(&name.len())
        && let Ok(text) = std::str::from_utf8(name)
    {
        return Ok(text);
    }
    check_any_metric_name(name)
}

#[cold]
fn check_any_metric_name(name: &[u8]) -> Result<&str, String> {
    let reason = match std::str::from_utf8(name) {
        _ if name.is_empty() => "empty".to_owned(),
        _ if name.len() > MAX_METRIC_NAME => format!("{} bytes long", name.len()),
        Err(e) => format!("not UTF-8: {}", describe(name, e.valid_up_to())),
        Ok(text) => match text.char_indices().find(|(_, c)| c.is_whitespace() || c.is_control()) {
            Some((at, _)) => describe(name, at),
            None => return Ok(text),
        },
    };
    Err(format!(
        "metric name: {reason}; accepted are 1 to 255 bytes of UTF-8 without white space and control characters"
    ))
}

/// Says which character, or byte when it is none, stands at `at`.
fn describe(name: &[u8], at: usize) -> String {
    let rest = name.get(at..).unwrap_or_default();
    let valid = rest.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    match (valid.chars().next(), rest.first()) {
        (Some(c), _) => format!("{c:?} at byte {at}"),
        (None, Some(byte)) => format!("byte 0x{byte:02x} at byte {at}"),
        (None, None) => format!("ends at byte {at}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn database_names() {
        let longest = "x".repeat(64);
        for name in ["a", "pi", "pi_1h", "A.b-c_9", "0", "_", longest.as_str()] {
            assert_eq!(check_database_name(name.as_bytes()), Ok(name));
        }
        let too_long = "x".repeat(65);
        let cases: [(&[u8], &str); 12] = [
            (b"", "empty"),
            (b".", "starts with '.'"),
            (b"..", "starts with '.'"),
            (b".lock", "starts with '.'"),
            (b"-rf", "starts with '-'"),
            (too_long.as_bytes(), "65 bytes long"),
            (b"a/b", "'/' at byte 1"),
            (b"node_disk_bytes{device=\"", "/api/v1/import/prometheus"),
            (b"a b", "' ' at byte 1"),
            ("caf\u{e9}".as_bytes(), "'\u{e9}' at byte 3"),
            (b"a\xff", "byte 0xff at byte 1"),
            (b"a\0", "'\\0' at byte 1"),
        ];
        for (name, reason) in cases {
            let message = check_database_name(name).unwrap_err();
            assert!(message.contains(reason) && message.contains("A-Z"), "{message}");
        }
    }

    #[test]
    fn metric_names() {
        let longest = "x".repeat(255);
        for name in ["m", "disk.sda/free%", "temp{room=\"a\"}", "temp\u{e9}rature", "\u{6e29}", longest.as_str()] {
            assert_eq!(check_metric_name(name.as_bytes()), Ok(name));
        }
        let too_long = "x".repeat(256);
        let cases: [(&[u8], &str); 8] = [
            (b"", "empty"),
            (too_long.as_bytes(), "256 bytes long"),
            (b"a b", "' ' at byte 1"),
            (b"ab\t", "'\\t' at byte 2"),
            (b"\x7f", "'\\u{7f}' at byte 0"),
            ("a\u{a0}b".as_bytes(), "'\\u{a0}' at byte 1"),
            ("a\u{85}".as_bytes(), "'\\u{85}' at byte 1"),
            (b"ab\xc3(", "byte 0xc3 at byte 2"),
        ];
        for (name, reason) in cases {
            let message = check_metric_name(name).unwrap_err();
            assert!(message.contains(reason) && message.contains("255 bytes"), "{message}");
        }
    }

    proptest! {
        #[test]
        fn accepted_names_keep_their_promise(name: Vec<u8>) {
            if let Ok(text) = check_metric_name(&name) {
                prop_assert!(!text.chars().any(|c| c.is_whitespace() || c.is_control()));
                prop_assert!(!text.is_empty() && text.len() <= 255);
            }
            if let Ok(text) = check_database_name(&name) {
                prop_assert!(!text.starts_with(['.', '-']) && !text.contains('/'));
            }
        }
    }
}
