//! `outcrop.toml`: read and decided, or complained about with its place.

use crate::outcrop::configuration::{Configuration, Flags, Variables};
use crate::scratch::with_file;

pub fn target(data: &[u8]) {
    with_file(data, |path| {
        let flags = Flags { config: Some(path.to_owned()), ..Flags::default() };
        match Configuration::load(&flags, &Variables::default()) {
            Ok(configuration) => {
                assert!(configuration.body > 0, "no body would be taken");
                for model in &configuration.models {
                    assert!(!model.name.is_empty(), "a model without a name");
                    assert!(model.rules.attempts > 0, "{} is never asked", model.name);
                }
            }
            Err(complaint) => assert!(!complaint.to_string().is_empty(), "a complaint without words"),
        }
    });
}
