//! The grammar of JSON numbers. Their values are of no interest here.

/// Where in a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Sign,
    Zero,
    Digits,
    Point,
    Fraction,
    E,
    ExponentSign,
    Exponent,
}

/// A number that has begun.
#[derive(Debug)]
pub(super) struct Number(Part);

impl Number {
    /// Its first byte is `-` or a digit.
    pub(super) fn begin(byte: u8) -> Self {
        Self(match byte {
            b'-' => Part::Sign,
            b'0' => Part::Zero,
            _ => Part::Digits,
        })
    }

    /// Reads on: how many bytes belong to it, and whether it has ended. `Err` with the place where it is none.
    pub(super) fn read(&mut self, input: &[u8]) -> Result<(usize, bool), usize> {
        for (at, byte) in input.iter().enumerate() {
            self.0 = match (self.0, *byte) {
                (Part::Sign, b'0') => Part::Zero,
                (Part::Sign, b'1'..=b'9') | (Part::Digits, b'0'..=b'9') => Part::Digits,
                (Part::Zero | Part::Digits, b'.') => Part::Point,
                (Part::Point | Part::Fraction, b'0'..=b'9') => Part::Fraction,
                (Part::Zero | Part::Digits | Part::Fraction, b'e' | b'E') => Part::E,
                (Part::E, b'+' | b'-') => Part::ExponentSign,
                (Part::E | Part::ExponentSign | Part::Exponent, b'0'..=b'9') => Part::Exponent,
                (Part::Zero | Part::Digits | Part::Fraction | Part::Exponent, _) => return Ok((at, true)),
                _ => return Err(at),
            };
        }
        Ok((input.len(), false))
    }
}
