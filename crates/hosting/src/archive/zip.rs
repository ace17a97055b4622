//! ZIP, as far as archives of at most some megabytes need it: no second volume, no ZIP64, no encryption; stored or
//! deflated. It reads the directory at the end, and every number in it is checked before it is used.

use super::Flaw;
use flate2::{Crc, Decompress, FlushDecompress, Status};
use std::ops::Range;

const END: [u8; 4] = *b"PK\x05\x06";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const LOCAL: [u8; 4] = *b"PK\x03\x04";
/// Bytes of each of these without its names and comments.
const END_SIZE: usize = 22;
const CENTRAL_SIZE: usize = 46;
const LOCAL_SIZE: usize = 30;
/// The longest comment behind the end.
const COMMENT: usize = u16::MAX as usize;

const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Bytes that are unpacked at a time.
pub(super) const PIECE: usize = 64 << 10;

/// Unix's kinds of files, where an archive says them.
const KIND: u32 = 0o170_000;
const FOLDER: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;

pub(super) struct Zip {
    bytes: Vec<u8>,
    pub members: Vec<Member>,
}

pub(super) struct Member {
    /// As it stands there; UTF-8.
    pub name: String,
    pub is_folder: bool,
    pub is_executable: bool,
    /// Bytes when it is unpacked, as it says.
    pub size: u64,
    crc: u32,
    method: u16,
    data: Range<usize>,
}

impl Zip {
    pub(super) fn read(bytes: Vec<u8>, most: usize) -> Result<Self, Flaw> {
        let end = find_end(&bytes).ok_or_else(|| Flaw::new("it is no ZIP archive"))?;
        let (entries, here, disk) = (short(&bytes, end + 10)?, short(&bytes, end + 8)?, short(&bytes, end + 4)?);
        if disk != 0 || here != entries || entries == u16::MAX {
            return Err(Flaw::new("it is a ZIP archive of several parts or of the large kind"));
        }
        if usize::from(entries) > most {
            return Err(Flaw::new(format!("it has {entries} entries, and may have {most}")));
        }
        let mut at = long(&bytes, end + 16)? as usize;
        let mut members = Vec::with_capacity(usize::from(entries));
        for _ in 0..entries {
            let (member, next) = member(&bytes, at)?;
            members.push(member);
            at = next;
        }
        if at > end {
            return Err(damaged());
        }
        Ok(Self { bytes, members })
    }

    /// The bytes of a member. It is as long as it says and sums up to what it says, or an error.
    pub(super) fn unpack(&self, member: &Member) -> Result<Vec<u8>, Flaw> {
        let mut bytes = Vec::new();
        self.pass(member, |piece| bytes.extend_from_slice(piece))?;
        Ok(bytes)
    }

    /// The same error, and nothing is kept.
    pub(super) fn look_over(&self, member: &Member) -> Result<(), Flaw> {
        self.pass(member, |_| {})
    }

    /// Gives its bytes piece by piece. One piece more than it says is unpacked at most, and not given.
    pub(super) fn pass(&self, member: &Member, mut take: impl FnMut(&[u8])) -> Result<(), Flaw> {
        let lies = || Flaw::new(format!("'{}' is not what the archive says of it", Flaw::shown(&member.name)));
        let mut packed = self.bytes.get(member.data.clone()).ok_or_else(damaged)?;
        let (mut crc, mut left) = (Crc::new(), member.size);
        let mut give = |piece: &[u8]| {
            left = left.checked_sub(piece.len() as u64)?;
            crc.update(piece);
            take(piece);
            Some(())
        };
        if member.method == STORED {
            give(packed).ok_or_else(lies)?;
        } else {
            let (mut inflate, mut piece) = (Decompress::new(false), vec![0; PIECE]);
            loop {
                let (read, written) = (inflate.total_in(), inflate.total_out());
                let status = inflate.decompress(packed, &mut piece, FlushDecompress::None).map_err(|_| lies())?;
                // Both are within what it was given.
                let (read, written) = ((inflate.total_in() - read) as usize, (inflate.total_out() - written) as usize);
                packed = packed.get(read..).unwrap_or_default();
                give(piece.get(..written).unwrap_or_default()).ok_or_else(lies)?;
                match status {
                    Status::StreamEnd => break,
                    _ if read == 0 && written == 0 => return Err(lies()),
                    _ => {}
                }
            }
        }
        if left == 0 && crc.sum() == member.crc { Ok(()) } else { Err(lies()) }
    }
}

/// An entry of the directory, and where the next one begins.
fn member(bytes: &[u8], at: usize) -> Result<(Member, usize), Flaw> {
    if bytes.get(at..at.saturating_add(4)) != Some(&CENTRAL) {
        return Err(damaged());
    }
    let (flags, method) = (short(bytes, at + 8)?, short(bytes, at + 10)?);
    let (packed, size) = (long(bytes, at + 20)?, long(bytes, at + 24)?);
    let name_end = at + CENTRAL_SIZE + usize::from(short(bytes, at + 28)?);
    let next = name_end + usize::from(short(bytes, at + 30)?) + usize::from(short(bytes, at + 32)?);
    let mode = long(bytes, at + 38)? >> 16;
    let offset = long(bytes, at + 42)? as usize;
    let raw = bytes.get(at + CENTRAL_SIZE..name_end).ok_or_else(damaged)?;
    let name = std::str::from_utf8(raw).map_err(|_| Flaw::new("it has a name that is not UTF-8"))?;
    let shown = || Flaw::shown(name);
    if flags & ENCRYPTED != 0 {
        return Err(Flaw::new(format!("'{}' is encrypted", shown())));
    }
    if ![STORED, DEFLATED].contains(&method) {
        return Err(Flaw::new(format!("'{}' is packed in a way that is not read here ({method})", shown())));
    }
    let is_folder = name.ends_with('/');
    let kind = mode & KIND;
    if kind != 0 && kind != if is_folder { FOLDER } else { REGULAR } {
        return Err(Flaw::new(format!("'{}' is a link or no ordinary file", shown())));
    }
    // The second word on the same file: who reads only that one must see the same.
    let same = bytes.get(offset..offset.saturating_add(4)) == Some(&LOCAL)
        && short(bytes, offset + 8)? == method
        && bytes.get(offset + LOCAL_SIZE..offset + LOCAL_SIZE + raw.len()) == Some(raw)
        && usize::from(short(bytes, offset + 26)?) == raw.len();
    if !same {
        return Err(damaged());
    }
    let start = offset + LOCAL_SIZE + raw.len() + usize::from(short(bytes, offset + 28)?);
    let data = start..start.checked_add(packed as usize).ok_or_else(damaged)?;
    if data.end > bytes.len() || (is_folder && size != 0) {
        return Err(damaged());
    }
    let crc = long(bytes, at + 16)?;
    let is_executable = mode & 0o111 != 0;
    Ok((Member { name: name.to_owned(), is_folder, is_executable, size: size.into(), crc, method, data }, next))
}

/// The last end that has a comment as long as what comes after it.
fn find_end(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().checked_sub(END_SIZE)?;
    let first = last.saturating_sub(COMMENT);
    (first..=last).rev().find(|at| {
        let comment = short(bytes, at + 20).map(usize::from);
        bytes.get(*at..at + 4) == Some(&END) && comment.is_ok_and(|comment| at + END_SIZE + comment == bytes.len())
    })
}

fn damaged() -> Flaw {
    Flaw::new("it is a damaged ZIP archive")
}

fn short(bytes: &[u8], at: usize) -> Result<u16, Flaw> {
    let two = bytes.get(at..at.saturating_add(2)).and_then(|two| two.try_into().ok());
    two.map(u16::from_le_bytes).ok_or_else(damaged)
}

fn long(bytes: &[u8], at: usize) -> Result<u32, Flaw> {
    let four = bytes.get(at..at.saturating_add(4)).and_then(|four| four.try_into().ok());
    four.map(u32::from_le_bytes).ok_or_else(damaged)
}
