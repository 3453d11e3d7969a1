//! The form of a spooled cycle: line protocol under a comment that tells whether it is whole.
//!
//! ```text
//! #drip 1715000000000000000 4187 83 5f1d3a90
//! pi/cpu.user 1843021 1715000000000000000
//! ...
//! ```
//!
//! The comment has the cycle's time, the bytes and the lines below it, and the CRC-32 of the three numbers and of those
//! bytes. To NanoTDB it is a comment: a segment can be imported as it is.

const START: &str = "#drip ";
/// Longest header: three numbers, a checksum, spaces.
const HEADER_BYTES: usize = 96;

/// A cycle on its way to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CycleText {
    pub(crate) timestamp_ns: i64,
    pub(crate) lines: u64,
    pub(crate) text: String,
}

/// What is in a segment, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    Cycle {
        timestamp_ns: i64,
        lines: u64,
        text: &'a str,
    },
    /// So many bytes that make no cycle.
    Damage(usize),
}

/// Appends a cycle in its spooled form.
pub(crate) fn write(cycle: &CycleText, out: &mut Vec<u8>) {
    let numbers = format!("{} {} {}", cycle.timestamp_ns, cycle.text.len(), cycle.lines);
    let check = checksum(&numbers, cycle.text.as_bytes());
    out.extend_from_slice(format!("{START}{numbers} {check:08x}\n").as_bytes());
    out.extend_from_slice(cycle.text.as_bytes());
}

fn checksum(numbers: &str, text: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(numbers.as_bytes());
    hasher.update(text);
    hasher.finalize()
}

/// Calls `each` with everything in a segment. After damage it goes on at the next header.
pub(crate) fn read<'a>(segment: &'a [u8], mut each: impl FnMut(Found<'a>)) {
    // Where the last whole cycle ended, and where the next one is looked for.
    let (mut good, mut at) = (0, 0);
    while let Some(rest) = segment.get(at..).filter(|rest| !rest.is_empty()) {
        match whole(rest) {
            Some((found, length)) => {
                if at > good {
                    each(Found::Damage(at - good));
                }
                each(found);
                at += length;
                good = at;
            }
            None => at += next_header(rest),
        }
    }
    if at > good {
        each(Found::Damage(at - good));
    }
}

/// The cycle that `bytes` begins with, and its length.
fn whole(bytes: &[u8]) -> Option<(Found<'_>, usize)> {
    let head = bytes.get(..bytes.len().min(HEADER_BYTES))?;
    let end = head.iter().position(|b| *b == b'\n')?;
    let header = std::str::from_utf8(head.get(..end)?).ok()?.strip_prefix(START)?;
    let (numbers, check) = header.rsplit_once(' ')?;
    let mut fields = numbers.split(' ');
    let timestamp_ns = fields.next()?.parse().ok()?;
    let length: usize = fields.next()?.parse().ok()?;
    let lines = fields.next()?.parse().ok()?;
    let text = bytes.get(end + 1..(end + 1).checked_add(length)?)?;
    if check.len() != 8 || u32::from_str_radix(check, 16).ok()? != checksum(numbers, text) {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    Some((Found::Cycle { timestamp_ns, lines, text }, end + 1 + length))
}

/// Bytes from the start of `bytes`, which is no whole cycle, to what may be the next header. Not only at the start of a
/// line: the line break before it may be what is damaged.
fn next_header(bytes: &[u8]) -> usize {
    let starts = bytes.windows(START.len()).enumerate().skip(1).find(|(_, window)| *window == START.as_bytes());
    starts.map_or(bytes.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cycle(timestamp_ns: i64, text: &str) -> CycleText {
        CycleText { timestamp_ns, lines: text.lines().count() as u64, text: text.to_owned() }
    }

    fn summary(segment: &[u8]) -> Vec<(i64, usize)> {
        let mut found = Vec::new();
        read(segment, |item| match item {
            Found::Cycle { timestamp_ns, text, .. } => found.push((timestamp_ns, text.len())),
            Found::Damage(bytes) => found.push((-1, bytes)),
        });
        found
    }

    #[test]
    fn cycles_come_back_in_order_with_their_text() {
        let mut segment = Vec::new();
        let cycles = [cycle(10, "pi/a 1 10\n"), cycle(20, ""), cycle(30, "pi/a 2 30\npi/b 1.5 30\n")];
        cycles.iter().for_each(|cycle| write(cycle, &mut segment));
        let mut back = Vec::new();
        read(&segment, |item| match item {
            Found::Cycle { timestamp_ns, lines, text } => {
                back.push(CycleText { timestamp_ns, lines, text: text.to_owned() });
            }
            Found::Damage(_) => panic!("{item:?}"),
        });
        assert_eq!(back, cycles);
    }

    #[test]
    fn a_torn_end_is_skipped_wherever_it_was_torn() {
        let mut segment = Vec::new();
        write(&cycle(10, "pi/a 1 10\n"), &mut segment);
        let first = segment.len();
        write(&cycle(20, "pi/a 2 20\npi/b 2 20\n"), &mut segment);
        for length in first + 1..segment.len() {
            assert_eq!(summary(&segment[..length]), [(10, 10), (-1, length - first)], "{length}");
        }
        assert_eq!(summary(&segment), [(10, 10), (20, 20)]);
    }

    #[test]
    fn any_changed_byte_costs_its_own_cycle_only() {
        let mut segment = Vec::new();
        write(&cycle(10, "pi/a 1 10\n"), &mut segment);
        let first = segment.len();
        write(&cycle(20, "pi/a 2 20\n"), &mut segment);
        for at in 0..first {
            let mut damaged = segment.clone();
            damaged[at] ^= 0x04;
            assert_eq!(summary(&damaged), [(-1, first), (20, 10)], "{at}");
        }
        // What a power loss leaves where blocks were allocated and not written.
        let mut zeros = segment.clone();
        zeros[..first].fill(0);
        zeros[first - 1] = b'\n';
        assert_eq!(summary(&zeros), [(-1, first), (20, 10)]);
    }
}
