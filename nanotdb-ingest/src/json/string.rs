//! JSON strings, unescaped as they arrive.

/// How far a string was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It goes on.
    More,
    /// Its closing quote was read.
    End,
    /// What is wrong at the last byte read.
    Wrong(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Escape {
    #[default]
    None,
    Backslash,
    /// `\u` with so many digits, and their value.
    Hex(u8, u16),
}

/// Where in a string.
#[derive(Debug, Default)]
pub(super) struct StringState {
    escape: Escape,
    /// The first half of a pair, whose second half must follow.
    high: Option<u16>,
    /// Bytes that are missing of a UTF-8 sequence, and what the next of them may be.
    missing: u8,
    low_bound: u8,
    high_bound: u8,
}

impl StringState {
    /// Reads on, and appends the text. How many bytes were read, and what the last one was.
    pub(super) fn read(&mut self, input: &[u8], text: &mut Vec<u8>) -> (usize, Step) {
        self.run(input, Some(text))
    }

    /// Reads on, without keeping the text.
    pub(super) fn skip(&mut self, input: &[u8]) -> (usize, Step) {
        self.run(input, None)
    }

    fn run(&mut self, input: &[u8], mut text: Option<&mut Vec<u8>>) -> (usize, Step) {
        let mut at = 0;
        while let Some(byte) = input.get(at).copied() {
            if self.is_plain() {
                let rest = input.get(at..).unwrap_or_default();
                let length = rest.iter().position(|b| !is_plain(*b)).unwrap_or(rest.len());
                if length > 0 {
                    if let Some(text) = text.as_deref_mut() {
                        text.extend_from_slice(rest.get(..length).unwrap_or_default());
                    }
                    at += length;
                    continue;
                }
            }
            at += 1;
            let mut put = |bytes: &[u8]| {
                if let Some(text) = text.as_deref_mut() {
                    text.extend_from_slice(bytes);
                }
            };
            match self.byte(byte, &mut put) {
                Step::More => {}
                step => return (at, step),
            }
        }
        (at, Step::More)
    }

    fn is_plain(&self) -> bool {
        self.escape == Escape::None && self.high.is_none() && self.missing == 0
    }

    fn byte(&mut self, byte: u8, put: &mut dyn FnMut(&[u8])) -> Step {
        const LONE: &str = "half of a surrogate pair";
        match self.escape {
            Escape::None => {}
            Escape::Backslash => {
                self.escape = Escape::None;
                if byte == b'u' {
                    self.escape = Escape::Hex(0, 0);
                    return Step::More;
                }
                if self.high.is_some() {
                    return Step::Wrong(LONE);
                }
                put(&[match byte {
                    b'"' | b'\\' | b'/' => byte,
                    b'b' => 0x08,
                    b'f' => 0x0c,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    _ => return Step::Wrong("an unknown escape"),
                }]);
                return Step::More;
            }
            Escape::Hex(count, value) => {
                let Some(digit) = char::from(byte).to_digit(16) else { return Step::Wrong("an unknown escape") };
                let value = (value << 4) | digit as u16;
                self.escape = if count < 3 { Escape::Hex(count + 1, value) } else { Escape::None };
                return if count < 3 { Step::More } else { self.unit(value, put).unwrap_or(Step::Wrong(LONE)) };
            }
        }
        if self.high.is_some() && byte != b'\\' {
            return Step::Wrong(LONE);
        }
        if self.missing > 0 {
            if !(self.low_bound..=self.high_bound).contains(&byte) {
                return Step::Wrong(NOT_UTF8);
            }
            (self.missing, self.low_bound, self.high_bound) = (self.missing - 1, 0x80, 0xbf);
            put(&[byte]);
            return Step::More;
        }
        match byte {
            b'"' => return Step::End,
            b'\\' => {
                self.escape = Escape::Backslash;
                return Step::More;
            }
            0..=0x1f => return Step::Wrong("a control character"),
            _ => {}
        }
        // Table 3-7 of the Unicode standard.
        (self.missing, self.low_bound, self.high_bound) = match byte {
            0..=0x7f => (0, 0, 0),
            0xc2..=0xdf => (1, 0x80, 0xbf),
            0xe0 => (2, 0xa0, 0xbf),
            0xe1..=0xec | 0xee | 0xef => (2, 0x80, 0xbf),
            0xed => (2, 0x80, 0x9f),
            0xf0 => (3, 0x90, 0xbf),
            0xf1..=0xf3 => (3, 0x80, 0xbf),
            0xf4 => (3, 0x80, 0x8f),
            _ => return Step::Wrong(NOT_UTF8),
        };
        put(&[byte]);
        Step::More
    }

    /// A UTF-16 unit. `None` for half of a pair without the other.
    fn unit(&mut self, unit: u16, put: &mut dyn FnMut(&[u8])) -> Option<Step> {
        let character = match (self.high.take(), unit) {
            (None, 0xd800..=0xdbff) => {
                self.high = Some(unit);
                return Some(Step::More);
            }
            (Some(high), 0xdc00..=0xdfff) => {
                char::from_u32(0x1_0000 + ((u32::from(high) - 0xd800) << 10) + (u32::from(unit) - 0xdc00))?
            }
            (Some(_), _) => return None,
            (None, unit) => char::from_u32(u32::from(unit))?,
        };
        put(character.encode_utf8(&mut [0; 4]).as_bytes());
        Some(Step::More)
    }
}

const NOT_UTF8: &str = "bytes that are no UTF-8";

/// Whether a byte stands for itself.
#[inline]
fn is_plain(byte: u8) -> bool {
    (0x20..0x80).contains(&byte) && byte != b'"' && byte != b'\\'
}
