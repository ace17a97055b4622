//! What things are called within a program: names that Python allows for names that it does not. The same names always
//! come out alike, in the description and in the program.

use std::collections::BTreeSet;

/// A tool of one of these names would never be reached: the interpreter has something of its own under it.
const TAKEN: &[&str] = &[
    "False",
    "None",
    "True",
    "and",
    "as",
    "assert",
    "async",
    "await",
    "break",
    "class",
    "continue",
    "def",
    "del",
    "elif",
    "else",
    "except",
    "finally",
    "for",
    "from",
    "global",
    "if",
    "import",
    "in",
    "is",
    "lambda",
    "nonlocal",
    "not",
    "or",
    "pass",
    "raise",
    "return",
    "try",
    "while",
    "with",
    "yield",
    "abs",
    "all",
    "any",
    "ascii",
    "bin",
    "bool",
    "bytearray",
    "bytes",
    "callable",
    "chr",
    "classmethod",
    "compile",
    "complex",
    "delattr",
    "dict",
    "dir",
    "divmod",
    "enumerate",
    "eval",
    "exec",
    "filter",
    "float",
    "format",
    "frozenset",
    "getattr",
    "globals",
    "hasattr",
    "hash",
    "help",
    "hex",
    "id",
    "input",
    "int",
    "isinstance",
    "issubclass",
    "iter",
    "len",
    "list",
    "locals",
    "map",
    "max",
    "memoryview",
    "min",
    "next",
    "object",
    "oct",
    "open",
    "ord",
    "pow",
    "print",
    "property",
    "range",
    "repr",
    "reversed",
    "round",
    "set",
    "setattr",
    "slice",
    "sorted",
    "staticmethod",
    "str",
    "sum",
    "super",
    "tuple",
    "type",
    "vars",
    "zip",
    "asyncio",
    "json",
    "math",
    "re",
    "datetime",
    "collections",
    "itertools",
    "functools",
    "os",
    "sys",
];

/// One identifier for each name, all different. Parameters may be called as builtins are, so `shadowing` allows that.
pub fn identifiers<'a>(names: impl IntoIterator<Item = &'a str>, shadowing: bool) -> Vec<String> {
    let keywords = TAKEN.iter().position(|word| *word == "abs").unwrap_or(TAKEN.len());
    let taken = if shadowing { &TAKEN[..keywords] } else { TAKEN };
    let mut used = BTreeSet::new();
    names
        .into_iter()
        .map(|name| {
            let plain = identifier(name);
            let mut chosen = if taken.contains(&plain.as_str()) { format!("{plain}_") } else { plain.clone() };
            let mut number = 2;
            while used.contains(&chosen) {
                chosen = format!("{plain}_{number}");
                number += 1;
            }
            used.insert(chosen.clone());
            chosen
        })
        .collect()
}

fn identifier(name: &str) -> String {
    let plain: String =
        name.chars().map(|letter| if letter.is_ascii_alphanumeric() || letter == '_' { letter } else { '_' }).collect();
    match plain.bytes().next() {
        None => "_".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("_{plain}"),
        Some(_) => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_identifiers_that_differ() {
        let names = ["get-user", "get_user", "2fa", "list", "from", "größe", "", "a.b", "a b"];
        let expected = ["get_user", "get_user_2", "_2fa", "list_", "from_", "gr__e", "_", "a_b", "a_b_2"];
        assert_eq!(identifiers(names, false), expected);
    }

    #[test]
    fn a_parameter_may_be_called_as_a_builtin_and_not_as_a_keyword() {
        assert_eq!(identifiers(["id", "class", "type"], true), ["id", "class_", "type"]);
    }
}
