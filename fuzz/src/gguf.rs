//! Weights: a file that is none, or damaged, is refused, without more memory than it has bytes to justify.

use crate::scratch::with_file;
use models::local::{Local, Options};

pub fn target(data: &[u8]) {
    // No file of this size holds a model that could be asked.
    let options = Options { threads: Some(1), sequences: 1, ..Options::default() };
    if let Err(error) = with_file(data, |path| Local::load(path, options)) {
        assert!(!error.to_string().is_empty(), "an error without words");
    }
}
