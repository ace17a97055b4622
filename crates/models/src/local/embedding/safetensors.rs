//! The safetensors file: a length, a JSON header that says where tensors lie, then their bytes, little endian. Nothing
//! here trusts the file.

use super::super::element::half;
use super::error::LoadError;
use serde::Deserialize;
use std::collections::BTreeMap;

pub(super) const FILE: &str = "model.safetensors";
/// A longer header is damage. Bytes.
const MAX_HEADER: usize = 16 << 20;

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [usize; 2],
}

pub(super) struct Tensors<'a> {
    entries: BTreeMap<String, Entry>,
    data: &'a [u8],
}

impl<'a> Tensors<'a> {
    pub fn read(bytes: &'a [u8]) -> Result<Self, LoadError> {
        let cut_off = || LoadError::malformed(FILE, "it is cut off");
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(cut_off)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
        if length > MAX_HEADER {
            return Err(LoadError::malformed(FILE, "its header is too long"));
        }
        let (header, data) = rest.split_at_checked(length).ok_or_else(cut_off)?;
        let header: BTreeMap<String, serde_json::Value> =
            serde_json::from_slice(header).map_err(|error| LoadError::malformed(FILE, error.to_string()))?;
        let mut entries = BTreeMap::new();
        for (name, entry) in header {
            if name != "__metadata__" {
                let entry = Entry::deserialize(entry)
                    .map_err(|error| LoadError::malformed(FILE, format!("tensor {name}: {error}")))?;
                // Some writers keep the name of the whole model before those of its parts.
                entries.insert(name.strip_prefix("bert.").map_or(name.clone(), str::to_owned), entry);
            }
        }
        Ok(Self { entries, data })
    }

    /// The numbers of a tensor of this shape, row by row.
    pub fn take(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, LoadError> {
        let malformed = |what: &str| LoadError::malformed(FILE, format!("tensor {name} {what}"));
        let entry = self.entries.get(name).ok_or_else(|| malformed("is missing"))?;
        if entry.shape != shape {
            return Err(malformed(&format!("is {:?} and not {shape:?}", entry.shape)));
        }
        let [start, end] = entry.data_offsets;
        let bytes = self.data.get(start..end).ok_or_else(|| malformed("is cut off"))?;
        let numbers: Vec<f32> = match entry.dtype.as_str() {
            "F32" => bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            "F16" => bytes.as_chunks::<2>().0.iter().map(|bytes| half(*bytes)).collect(),
            "BF16" => {
                bytes.as_chunks::<2>().0.iter().map(|[low, high]| f32::from_le_bytes([0, 0, *low, *high])).collect()
            }
            other => return Err(LoadError::unsupported(FILE, format!("tensor {name} of kind {other}"))),
        };
        let expected = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
        if expected != Some(numbers.len()) {
            return Err(malformed("is not as long as its shape says"));
        }
        Ok(numbers)
    }
}
