//! A glimpse at a GGUF file: enough to say whether it is one, whether it is cut off, and what its licence is. It reads
//! the header only, and trusts nothing in it. What the tensors hold is known by those who load them.
//!
//! Layout: the "gguf.md" document of the ggml project; little endian, versions 2 and 3.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

pub const MAGIC: &[u8; 4] = b"GGUF";
/// Texts and lists of a header longer than this are damage. Bytes.
const MAX_TEXT: u64 = 1 << 24;
const MAX_ENTRIES: u64 = 1 << 16;
const MAX_DIMENSIONS: u32 = 8;
/// Lists may hold lists, by the layout.
const MAX_DEPTH: u32 = 4;

/// What a file says of itself.
#[derive(Default, PartialEq, Eq, Debug)]
pub struct Glimpse {
    pub name: Option<String>,
    pub architecture: Option<String>,
    pub licence: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    #[error("is not a GGUF file")]
    Foreign,
    #[error("is cut off")]
    CutOff,
    #[error("is damaged: {0}")]
    Damaged(&'static str),
}

impl From<io::Error> for Flaw {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::CutOff,
            _ => Self::Unreadable(error),
        }
    }
}

pub fn glimpse(path: &Path) -> Result<Glimpse, Flaw> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    read(&mut Header { file: BufReader::new(file), length, at: 0 })
}

struct Header<F> {
    file: F,
    length: u64,
    at: u64,
}

fn read<F: Read + Seek>(header: &mut Header<F>) -> Result<Glimpse, Flaw> {
    let magic = header.bytes::<4>().map_err(|flaw| match flaw {
        Flaw::CutOff => Flaw::Foreign,
        other => other,
    })?;
    if &magic != MAGIC {
        return Err(Flaw::Foreign);
    }
    if !(2..=3).contains(&header.u32()?) {
        return Err(Flaw::Damaged("it is of an unknown version of GGUF"));
    }
    let (tensors, entries) = (header.u64()?, header.u64()?);
    if tensors > MAX_ENTRIES || entries > MAX_ENTRIES {
        return Err(Flaw::Damaged("its header announces too much"));
    }
    let mut glimpse = Glimpse::default();
    for _ in 0..entries {
        let key = header.text()?;
        let kind = header.u32()?;
        match key.as_str() {
            "general.name" if kind == TEXT => glimpse.name = Some(header.text()?),
            "general.architecture" if kind == TEXT => glimpse.architecture = Some(header.text()?),
            "general.license" if kind == TEXT => glimpse.licence = Some(header.text()?),
            _ => header.skip_value(kind, 0)?,
        }
    }
    let mut furthest = 0;
    for _ in 0..tensors {
        header.text()?;
        let dimensions = header.u32()?;
        if dimensions > MAX_DIMENSIONS {
            return Err(Flaw::Damaged("a tensor has too many dimensions"));
        }
        header.skip(u64::from(dimensions) * 8 + 4)?;
        furthest = header.u64()?.max(furthest);
    }
    // Every tensor has at least a byte, behind the header.
    if tensors > 0 && header.at.saturating_add(furthest) >= header.length {
        return Err(Flaw::CutOff);
    }
    Ok(glimpse)
}

/// The kind of a text, among the kinds of values.
const TEXT: u32 = 8;
const LIST: u32 = 9;

impl<F: Read + Seek> Header<F> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes)?;
        self.at += N as u64;
        Ok(bytes)
    }

    fn u32(&mut self) -> Result<u32, Flaw> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Flaw> {
        self.bytes().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Result<String, Flaw> {
        let length = self.u64()?;
        self.expect_left(length)?;
        let mut bytes = Vec::new();
        self.file.by_ref().take(length).read_to_end(&mut bytes)?;
        self.at += length;
        // Some writers end texts with a zero byte.
        Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned())
    }

    fn skip_value(&mut self, kind: u32, depth: u32) -> Result<(), Flaw> {
        match kind {
            TEXT => {
                let length = self.u64()?;
                self.skip(length)
            }
            LIST if depth < MAX_DEPTH => {
                let kind = self.u32()?;
                let count = self.u64()?;
                if let Some(width) = width(kind) {
                    return self.skip(count.checked_mul(width).ok_or(Flaw::Damaged("a list is too long"))?);
                }
                // Each takes eight bytes at least, so that the file's own length bounds this.
                self.expect_left(count)?;
                (0..count).try_for_each(|_| self.skip_value(kind, depth + 1))
            }
            kind => match width(kind) {
                Some(width) => self.skip(width),
                None => Err(Flaw::Damaged("a value is of an unknown kind")),
            },
        }
    }

    fn skip(&mut self, bytes: u64) -> Result<(), Flaw> {
        let end = self.at.checked_add(bytes).filter(|end| *end <= self.length).ok_or(Flaw::CutOff)?;
        // Within the file, and files are shorter than that.
        let far = i64::try_from(bytes).map_err(|_| Flaw::CutOff)?;
        self.file.seek_relative(far)?;
        self.at = end;
        Ok(())
    }

    fn expect_left(&self, bytes: u64) -> Result<(), Flaw> {
        if bytes > self.length.saturating_sub(self.at) {
            return Err(Flaw::CutOff);
        }
        if bytes > MAX_TEXT {
            return Err(Flaw::Damaged("a text or a list is too long"));
        }
        Ok(())
    }
}

/// Bytes of a value of a kind that is neither text nor list.
fn width(kind: u32) -> Option<u64> {
    match kind {
        0 | 1 | 7 => Some(1),
        2 | 3 => Some(2),
        4..=6 => Some(4),
        10..=12 => Some(8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn text(value: &str) -> Vec<u8> {
        [&(value.len() as u64).to_le_bytes()[..], value.as_bytes()].concat()
    }

    /// A file with a licence, two other values, one tensor at offset 32 and 64 bytes behind the header.
    fn file() -> Vec<u8> {
        let mut file = b"GGUF\x03\0\0\0".to_vec();
        file.extend(1_u64.to_le_bytes());
        file.extend(4_u64.to_le_bytes());
        file.extend([text("general.license"), 8_u32.to_le_bytes().to_vec(), text("mit")].concat());
        file.extend([text("n"), 4_u32.to_le_bytes().to_vec(), 7_u32.to_le_bytes().to_vec()].concat());
        file.extend([text("list"), 9_u32.to_le_bytes().to_vec(), 8_u32.to_le_bytes().to_vec()].concat());
        file.extend([2_u64.to_le_bytes().to_vec(), text("a"), text("bc")].concat());
        file.extend([text("general.name"), 8_u32.to_le_bytes().to_vec(), text("N\0")].concat());
        file.extend([text("t"), 1_u32.to_le_bytes().to_vec(), 8_u64.to_le_bytes().to_vec()].concat());
        file.extend([0_u32.to_le_bytes().to_vec(), 32_u64.to_le_bytes().to_vec(), vec![0; 64]].concat());
        file
    }

    fn of(bytes: &[u8]) -> Result<Glimpse, Flaw> {
        read(&mut Header { file: Cursor::new(bytes), length: bytes.len() as u64, at: 0 })
    }

    #[test]
    fn a_file_tells_its_licence() {
        let glimpse = of(&file()).unwrap();
        assert_eq!((glimpse.licence.as_deref(), glimpse.name.as_deref()), (Some("mit"), Some("N")));
    }

    #[test]
    fn every_cut_and_every_flipped_byte_ends_in_words() {
        let file = file();
        for end in 0..file.len() - 32 {
            let flaw = of(&file[..end]).unwrap_err();
            assert!(matches!((end < 4, &flaw), (true, Flaw::Foreign) | (false, Flaw::CutOff)), "{end}: {flaw:?}");
        }
        for at in 0..file.len() {
            let mut bent = file.clone();
            bent[at] = 0xff;
            let _ = of(&bent);
        }
        assert!(matches!(of(b"<html>not found</html>"), Err(Flaw::Foreign)));
    }

    #[test]
    fn lists_of_lists_of_lists_end() {
        let mut file = b"GGUF\x03\0\0\0".to_vec();
        file.extend([0_u64.to_le_bytes(), 1_u64.to_le_bytes()].concat());
        file.extend([text("deep"), 9_u32.to_le_bytes().to_vec()].concat());
        for _ in 0..100_000 {
            file.extend([9_u32.to_le_bytes().to_vec(), 1_u64.to_le_bytes().to_vec()].concat());
        }
        assert!(matches!(of(&file), Err(Flaw::Damaged(_))));
    }
}
