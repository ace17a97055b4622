//! The names that the open objects of a JSON text have so far.

#[derive(Clone, Default)]
pub(super) struct Names {
    /// For each open bracket the names of the object, or None of an array.
    open: Vec<Option<Vec<Box<[u8]>>>>,
    awaits_name: bool,
    string: Option<Open>,
}

/// A string that is being written.
#[derive(Clone)]
struct Open {
    text: Vec<u8>,
    is_name: bool,
    is_escaped: bool,
}

impl Names {
    /// Whether the innermost object has a name that could be written again.
    pub fn has_any(&self) -> bool {
        matches!(self.open.last(), Some(Some(names)) if !names.is_empty())
    }

    /// False: a name was written a second time.
    pub fn read_all(&mut self, bytes: &[u8]) -> bool {
        bytes.iter().all(|byte| self.read(*byte))
    }

    /// The same for one byte.
    pub fn read(&mut self, byte: u8) -> bool {
        if let Some(string) = &mut self.string {
            if string.is_escaped || byte != b'"' {
                string.is_escaped = !string.is_escaped && byte == b'\\';
                if string.is_name {
                    string.text.push(byte);
                }
                return true;
            }
            let Some(Open { text, is_name: true, .. }) = self.string.take() else { return true };
            let Some(Some(names)) = self.open.last_mut() else { return true };
            let is_new = !names.iter().any(|name| **name == *text);
            names.push(text.into_boxed_slice());
            self.awaits_name = false;
            return is_new;
        }
        match byte {
            b'"' => {
                self.string = Some(Open { text: Vec::new(), is_name: self.awaits_name, is_escaped: false });
            }
            b'{' => self.open.push(Some(Vec::new())),
            b'[' => self.open.push(None),
            b'}' | b']' => drop(self.open.pop()),
            _ => {}
        }
        match byte {
            b'{' => self.awaits_name = true,
            b',' => self.awaits_name = matches!(self.open.last(), Some(Some(_))),
            b':' | b'[' | b'}' | b']' => self.awaits_name = false,
            _ => {}
        }
        true
    }
}
