//! As much of protocol buffers as relay frames need: varints, length-delimited fields, and skipping what is not known.

use crate::Fault;

const CUT: Fault = Fault::Malformed("it ends within a field");

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// A field of a fixed width: no field of a frame is one.
    Fixed,
}

impl<'a> Value<'a> {
    /// A `uint32`: of a larger varint the low half counts.
    pub fn number(self) -> Result<u32, Fault> {
        match self {
            Value::Number(value) => Ok((value & u64::from(u32::MAX)) as u32),
            _ => Err(Fault::Malformed("a number is no varint")),
        }
    }

    pub fn bytes(self) -> Result<&'a [u8], Fault> {
        match self {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(Fault::Malformed("bytes have no length")),
        }
    }

    pub fn text(self) -> Result<&'a str, Fault> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Fault::Malformed("a text is not UTF-8"))
    }
}

/// The fields of one message, in their order.
pub struct Fields<'a> {
    left: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    pub fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, Fault> {
        if self.left.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let number = key >> 3;
        if number == 0 {
            return Err(Fault::Malformed("a field has no number"));
        }
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.take(8).map(|_| Value::Fixed)?,
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| CUT)?;
                Value::Bytes(self.take(length)?)
            }
            5 => self.take(4).map(|_| Value::Fixed)?,
            _ => return Err(Fault::Malformed("a field is of no known wire type")),
        };
        Ok(Some((number, value)))
    }

    fn varint(&mut self) -> Result<u64, Fault> {
        let mut value = 0u64;
        for place in 0..10 {
            let (&byte, rest) = self.left.split_first().ok_or(CUT)?;
            self.left = rest;
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Fault::Malformed("a varint does not end"))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.left.split_at_checked(length).ok_or(CUT)?;
        self.left = rest;
        Ok(taken)
    }
}

/// Writes a number, unless it is the default.
pub fn write_number(field: u32, value: u32, to: &mut Vec<u8>) {
    if value != 0 {
        write_varint(u64::from(field) << 3, to);
        write_varint(u64::from(value), to);
    }
}

/// Writes bytes or a text, unless they are empty.
pub fn write_bytes(field: u32, bytes: &[u8], to: &mut Vec<u8>) {
    if !bytes.is_empty() {
        write_message(field, bytes, to);
    }
}

/// Writes a message within a message: one that is empty is there all the same.
pub fn write_message(field: u32, bytes: &[u8], to: &mut Vec<u8>) {
    write_varint(u64::from(field) << 3 | 2, to);
    write_varint(bytes.len() as u64, to);
    to.extend_from_slice(bytes);
}

fn write_varint(mut value: u64, to: &mut Vec<u8>) {
    while value >= 0x80 {
        to.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}
