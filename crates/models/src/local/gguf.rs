//! The GGUF file: its metadata, and where its tensors lie. Little endian, versions 2 and 3
//! (layout: the "gguf.md" document of the ggml project).
//!
//! Nothing here trusts the file: every length is held against what is left of it before memory is taken, so a damaged
//! file ends in an error. What the values mean is known by those who ask for them.

use super::element::Element;
use super::error::LoadError;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 4] = b"GGUF";
const DEFAULT_ALIGNMENT: u64 = 32;
const MAX_ENTRIES: u64 = 1 << 16;
const MAX_STRING: u64 = 1 << 24;
const MAX_DIMENSIONS: u32 = 4;

/// A metadata value, as far as a model of text needs it.
#[derive(Debug)]
enum Value {
    Integer(i64),
    Float(f64),
    Bool(bool),
    Text(String),
    Integers(Vec<i64>),
    Texts(Vec<String>),
    /// A kind that nobody here reads.
    Skipped,
}

#[derive(Debug)]
pub(super) struct TensorInfo {
    pub kind: Element,
    /// Slowest first: rows, columns.
    pub shape: Vec<usize>,
    offset: u64,
}

#[derive(Debug)]
pub(super) struct Gguf {
    path: PathBuf,
    file: BufReader<File>,
    length: u64,
    data_start: u64,
    metadata: BTreeMap<String, Value>,
    pub tensors: BTreeMap<String, TensorInfo>,
}

impl Gguf {
    /// Reads everything before the tensors.
    pub fn open(path: &Path) -> Result<Self, LoadError> {
        let read_error = |source| LoadError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(read_error)?;
        let length = file.metadata().map_err(read_error)?.len();
        let mut gguf = Self {
            path: path.to_owned(),
            file: BufReader::with_capacity(1 << 20, file),
            length,
            data_start: 0,
            metadata: BTreeMap::new(),
            tensors: BTreeMap::new(),
        };
        if length < 4 || gguf.bytes(4, "the header")? != MAGIC {
            return Err(LoadError::NotGguf { path: path.to_owned() });
        }
        gguf.read_header()?;
        Ok(gguf)
    }

    fn read_header(&mut self) -> Result<(), LoadError> {
        let version = self.u32("the version")?;
        if !(2..=3).contains(&version) {
            return Err(self.unsupported(format!("GGUF version {version}")));
        }
        let tensors = self.u64("the header")?;
        let entries = self.u64("the header")?;
        if tensors > MAX_ENTRIES || entries > MAX_ENTRIES {
            return Err(self.malformed(format!("{tensors} tensors and {entries} metadata entries")));
        }
        for _ in 0..entries {
            let key = self.string("the metadata")?;
            let kind = self.u32("the metadata")?;
            let value = self.value(kind)?;
            self.metadata.insert(key, value);
        }
        for _ in 0..tensors {
            let name = self.string("the tensor list")?;
            let info = self.tensor_info(&name)?;
            self.tensors.insert(name, info);
        }
        let alignment = match self.metadata.get("general.alignment") {
            None => DEFAULT_ALIGNMENT,
            Some(Value::Integer(n @ 1..=65_536)) => n.unsigned_abs(),
            Some(other) => return Err(self.malformed(format!("alignment {other:?}"))),
        };
        let position = self.position()?;
        self.data_start = position.next_multiple_of(alignment);
        self.check_tensors()
    }

    /// Every tensor must lie within the file. So what is declared is never more than a few times what is there.
    fn check_tensors(&self) -> Result<(), LoadError> {
        for (name, info) in &self.tensors {
            let elements = info.shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
            let size = elements.and_then(|n| n.div_ceil(info.kind.block()).checked_mul(info.kind.bytes()));
            let end = size.and_then(|size| self.data_start.checked_add(info.offset)?.checked_add(size as u64));
            match end {
                Some(end) if end <= self.length => {}
                Some(_) => return Err(self.truncated(&format!("a part of tensor {name}"))),
                None => return Err(self.malformed(format!("tensor {name} is of shape {:?}", info.shape))),
            }
        }
        Ok(())
    }

    fn tensor_info(&mut self, name: &str) -> Result<TensorInfo, LoadError> {
        let dimensions = self.u32("the tensor list")?;
        if dimensions > MAX_DIMENSIONS {
            return Err(self.malformed(format!("tensor {name} has {dimensions} dimensions")));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            let size = self.u64("the tensor list")?;
            shape.push(
                usize::try_from(size)
                    .map_err(|_| self.malformed(format!("tensor {name} has a dimension of {size}")))?,
            );
        }
        shape.reverse();
        let kind = self.u32("the tensor list")?;
        let kind = Element::numbered(kind)
            .ok_or_else(|| self.unsupported(format!("tensor {name} is of element kind {kind}")))?;
        Ok(TensorInfo { kind, shape, offset: self.u64("the tensor list")? })
    }

    fn value(&mut self, kind: u32) -> Result<Value, LoadError> {
        Ok(match kind {
            0..=5 | 10 | 11 => Value::Integer(self.integer(kind)?),
            6 => Value::Float(f64::from(f32::from_le_bytes(self.array("the metadata")?))),
            7 => Value::Bool(self.array::<1>("the metadata")? != [0]),
            8 => Value::Text(self.string("the metadata")?),
            9 => self.list()?,
            12 => Value::Float(f64::from_le_bytes(self.array("the metadata")?)),
            _ => return Err(self.malformed(format!("a metadata value of kind {kind}"))),
        })
    }

    fn integer(&mut self, kind: u32) -> Result<i64, LoadError> {
        let what = "the metadata";
        Ok(match kind {
            0 => i64::from(u8::from_le_bytes(self.array(what)?)),
            1 => i64::from(i8::from_le_bytes(self.array(what)?)),
            2 => i64::from(u16::from_le_bytes(self.array(what)?)),
            3 => i64::from(i16::from_le_bytes(self.array(what)?)),
            4 => i64::from(u32::from_le_bytes(self.array(what)?)),
            5 => i64::from(i32::from_le_bytes(self.array(what)?)),
            10 => i64::try_from(u64::from_le_bytes(self.array(what)?)).unwrap_or(i64::MAX),
            _ => i64::from_le_bytes(self.array(what)?),
        })
    }

    fn list(&mut self) -> Result<Value, LoadError> {
        let what = "a metadata list";
        let kind = self.u32(what)?;
        let count = self.u64(what)?;
        let width: u64 = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8,
            _ => return Err(self.malformed(format!("a metadata list of kind {kind}"))),
        };
        let size = count.saturating_mul(width);
        self.expect_left(size, what)?;
        match kind {
            8 => (0..count).map(|_| self.string(what)).collect::<Result<_, _>>().map(Value::Texts),
            0..=5 | 10 | 11 => (0..count).map(|_| self.integer(kind)).collect::<Result<_, _>>().map(Value::Integers),
            _ => {
                let size = i64::try_from(size).unwrap_or(i64::MAX);
                self.file.seek_relative(size).map_err(|source| self.read_error(source, what))?;
                Ok(Value::Skipped)
            }
        }
    }

    // What the metadata says. A value of another kind is as good as none.

    pub fn text(&self, key: &str) -> Option<&str> {
        match self.metadata.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    pub fn number(&self, key: &str) -> Option<usize> {
        match self.metadata.get(key) {
            Some(Value::Integer(n)) => usize::try_from(*n).ok(),
            _ => None,
        }
    }

    pub fn float(&self, key: &str) -> Option<f64> {
        match self.metadata.get(key) {
            Some(Value::Float(x)) => Some(*x),
            _ => None,
        }
    }

    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.metadata.get(key) {
            Some(Value::Bool(on)) => Some(*on),
            _ => None,
        }
    }

    pub fn texts(&self, key: &str) -> Option<&[String]> {
        match self.metadata.get(key) {
            Some(Value::Texts(list)) => Some(list),
            _ => None,
        }
    }

    pub fn integers(&self, key: &str) -> Option<&[i64]> {
        match self.metadata.get(key) {
            Some(Value::Integers(list)) => Some(list),
            _ => None,
        }
    }

    /// The bytes of `count` rows of a tensor, from row `first` on. `row_bytes` is the size of one.
    pub fn rows(&mut self, name: &str, row_bytes: usize, first: usize, count: usize) -> Result<Vec<u8>, LoadError> {
        let what = format!("a part of tensor {name}");
        let offset = self.tensors.get(name).map(|info| info.offset).unwrap_or_default();
        let skip = (row_bytes as u64).checked_mul(first as u64);
        let start = skip.and_then(|skip| skip.checked_add(offset)).and_then(|at| at.checked_add(self.data_start));
        let size = (row_bytes as u64).checked_mul(count as u64);
        let (Some(start), Some(size)) = (start, size) else {
            return Err(self.malformed(format!("tensor {name} lies beyond the file")));
        };
        self.file.seek(SeekFrom::Start(start)).map_err(|source| self.read_error(source, &what))?;
        self.bytes(size, &what)
    }

    pub fn malformed(&self, what: String) -> LoadError {
        LoadError::Malformed { path: self.path.clone(), what }
    }

    pub fn unsupported(&self, what: String) -> LoadError {
        LoadError::Unsupported { path: self.path.clone(), what }
    }

    fn truncated(&self, what: &str) -> LoadError {
        LoadError::Truncated { path: self.path.clone(), what: what.to_owned() }
    }

    fn read_error(&self, source: io::Error, what: &str) -> LoadError {
        match source.kind() {
            io::ErrorKind::UnexpectedEof => self.truncated(what),
            _ => LoadError::Read { path: self.path.clone(), source },
        }
    }

    fn position(&mut self) -> Result<u64, LoadError> {
        self.file.stream_position().map_err(|source| LoadError::Read { path: self.path.clone(), source })
    }

    fn expect_left(&mut self, size: u64, what: &str) -> Result<(), LoadError> {
        let left = self.length.saturating_sub(self.position()?);
        if size > left { Err(self.truncated(what)) } else { Ok(()) }
    }

    fn bytes(&mut self, size: u64, what: &str) -> Result<Vec<u8>, LoadError> {
        self.expect_left(size, what)?;
        let size = usize::try_from(size).map_err(|_| self.malformed(format!("{what} is of {size} bytes")))?;
        let mut bytes = vec![0; size];
        self.file.read_exact(&mut bytes).map_err(|source| self.read_error(source, what))?;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], LoadError> {
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes).map_err(|source| self.read_error(source, what))?;
        Ok(bytes)
    }

    fn u32(&mut self, what: &str) -> Result<u32, LoadError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    fn u64(&mut self, what: &str) -> Result<u64, LoadError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    fn string(&mut self, what: &str) -> Result<String, LoadError> {
        let size = self.u64(what)?;
        if size > MAX_STRING {
            return Err(self.malformed(format!("{what} holds a text of {size} bytes")));
        }
        // Some writers end texts with a zero byte, and some write what is not UTF-8.
        let bytes = self.bytes(size, what)?;
        Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned())
    }
}
