//! Prints the log of one session as lines of JSON, the way tests/histories keeps it: `history DATA PROJECT SESSION`. The
//! first line says whose log it is; each other one is a record with its link of the chain.
#![expect(clippy::print_stdout, reason = "it prints what it read")]

use serde_json::json;
use std::error::Error;
use std::path::Path;
use store::{LogQuery, Sqlite, Store};
use types::{ProjectId, Seq, SessionId};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [data, project, session] = words.as_slice() else { return Err("history DATA PROJECT SESSION".into()) };
    let (project, session) = (ProjectId::new(project.clone()), SessionId::new(session.clone()));
    let store = Sqlite::open_shared(Path::new(data))?;
    let executor = tokio::runtime::Builder::new_current_thread().build()?;
    let log = executor.block_on(store.log(&project, &session, LogQuery::after(Seq(0))))?;
    println!("{}", json!({"project": project.as_str(), "session": session.as_str()}));
    for stored in log {
        let record = stored.record;
        let line = json!({
            "seq": stored.seq.0,
            "v": record.v,
            "kind": record.kind,
            "turn": record.turn.as_ref().map(|turn| turn.as_str()),
            "item": record.item.as_ref().map(|item| item.as_str()),
            "at": record.at.0,
            "body": String::from_utf8(record.body)?,
            "hash": stored.hash,
        });
        println!("{line}");
    }
    Ok(())
}
