//! System packages: the base has them, or it does not. Nothing is installed: the base is read-only for everybody.

use crate::setup::{Ran, Runner, SetupFailed};
use std::time::Duration;

const ANSWERED: Duration = Duration::from_secs(60);
/// Says which of its arguments are not there. Every package of Debian leaves its copyright in a folder of its name, also
/// where the list of packages is no part of the base.
const QUESTION: &str = r#"for name do
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null)" = installed ] && continue
  [ -e "/usr/share/doc/$name" ] || printf '%s\n' "$name"
done"#;

pub(super) async fn require(runner: &mut Runner<'_>, names: &[String]) -> Result<(), SetupFailed> {
    let mut argv = ["/bin/sh", "-c", QUESTION, "sh"].map(str::to_owned).to_vec();
    argv.extend_from_slice(names);
    let Ran { exit_code: Some(0), said } = runner.run(argv, "/", ANSWERED).await? else {
        return Err(SetupFailed::new("It could not be found out which system packages the base has."));
    };
    let said = String::from_utf8_lossy(&said);
    let missing: Vec<&str> = said.lines().filter(|line| names.iter().any(|name| name == line)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = "System packages are not installed at setup. Put them into a base (`[environments] base`). Missing:";
    Err(SetupFailed::new(format!("{message} {}.", missing.join(", "))))
}
