//! Lists: each one's pages, and its own answers to bad queries; they differ from list to list, as at the original.

use super::{Area, Check};
use crate::client::Answer;
use crate::probe::{Probe, Said};
use crate::trouble::Trouble;
use serde_json::{Value, json};

/// A list and what it does with a bad cursor or limit; None where nobody has seen it.
struct List {
    name: &'static str,
    /// Below the session, for those of a session; `{turn}` stands for a turn's id.
    path: &'static str,
    /// Whether a limit out of range is moved into it, or refused.
    clamps: Option<bool>,
    cursor: Option<(u16, &'static str)>,
}

const LISTS: [List; 8] = [
    List { name: "agents", path: "/agents", clamps: Some(true), cursor: Some((404, "")) },
    List { name: "sessions", path: "/agents/sessions", clamps: Some(true), cursor: Some((404, "")) },
    List {
        name: "items",
        path: "items",
        clamps: Some(true),
        cursor: Some((400, "Invalid session item ID in `after`")),
    },
    List { name: "turns", path: "turns", clamps: Some(false), cursor: Some((404, "")) },
    List {
        name: "turn-items",
        path: "turns/{turn}/items",
        clamps: Some(true),
        cursor: Some((400, "Invalid session item ID in `after`")),
    },
    List {
        name: "subagents",
        path: "subagents",
        clamps: Some(false),
        cursor: Some((400, "Invalid resource ID in `after`")),
    },
    List {
        name: "artifacts",
        path: "artifacts",
        clamps: Some(false),
        cursor: Some((400, "after is not a valid artifact ID")),
    },
    List { name: "traces", path: "traces", clamps: None, cursor: None },
];

/// What is asked of every list: the end of the id, what it says, the source.
const QUIRKS: [(&str, &str, &str); 9] = [
    (
        "page",
        "A page has object, data, has_more, first_id and last_id, the ids null where it is empty.",
        "§1; observed 16",
    ),
    ("limit-0", "A limit of 0 is moved to 1, or refused, as this list does it.", "observed 13"),
    ("limit-101", "A limit of 101 is moved to 100, or refused, as this list does it.", "observed 13"),
    ("limit-word", "A limit that is no number: 400, in the original's words.", "observed 13"),
    ("limit-twice", "A limit given two times: 400, which names the field.", "observed 14"),
    ("order-empty", "An empty order: 400, param null.", "observed 14"),
    ("order-other", "An order that is neither asc nor desc: 400, param null.", "observed 14"),
    ("unknown-key", "An unknown query key is passed over.", "observed 14"),
    ("after", "An unknown cursor is refused as this list does it.", "observed 15"),
];

const WALKS: [(&str, &str, &str); 9] = [
    ("paging.walk-sessions", "Sessions, two a page: each one time, in order, has_more until the last page.", "§1"),
    ("paging.walk-sessions-back", "The same newest first, which is the default.", "§1"),
    ("paging.walk-turns", "Turns, one a page: each one time, in order.", "§1"),
    ("paging.walk-items", "Items, three a page: each one time, in order.", "§1"),
    ("paging.walk-turn-items", "A turn's items, one a page, by last_id: each one time.", "§1"),
    ("paging.exclusive", "A page begins behind the cursor.", "§1"),
    ("paging.exact", "A page that ends with the last entry says has_more false.", "§1"),
    ("paging.default", "Without a limit a page has 20 entries.", "§1"),
    ("paging.filter-kept", "A filter holds on every page.", "§1"),
];

impl List {
    fn asks(&self, quirk: &str) -> bool {
        match quirk {
            "limit-0" | "limit-101" => self.clamps.is_some(),
            "after" => self.cursor.is_some(),
            _ => true,
        }
    }

    fn id(&self, quirk: &str) -> String {
        format!("paging.{}.{quirk}", self.name)
    }
}

pub fn checks() -> Vec<Check> {
    let quirks = LISTS.iter().flat_map(|list| {
        QUIRKS.iter().filter(|quirk| list.asks(quirk.0)).map(|(quirk, says, source)| Check {
            id: list.id(quirk),
            area: Area::Paging,
            says: format!("{}: {says}", list.name),
            source,
        })
    });
    let walks = WALKS.iter().map(|(id, says, source)| Check {
        id: (*id).to_owned(),
        area: Area::Paging,
        says: (*says).to_owned(),
        source,
    });
    quirks.chain(walks).collect()
}

pub async fn run(probe: &mut Probe) {
    parts!(probe: quirks, sessions, one_session, agents);
}

async fn quirks(probe: &mut Probe) -> Result<(), Trouble> {
    let turned = probe.idle("hello").await?;
    let turn = turned.reader.frames.iter().find_map(|frame| frame.text("/turn/id")).unwrap_or_default().to_owned();
    for list in &LISTS {
        let path = if list.path.starts_with('/') {
            list.path.to_owned()
        } else {
            turned.path(&format!("/{}", list.path.replace("{turn}", &turn)))
        };
        let plain = probe.get(&path).await?;
        if plain.status == 404 {
            for quirk in QUIRKS.iter().filter(|quirk| list.asks(quirk.0)) {
                probe.skip(&list.id(quirk.0), "this server does not serve the list");
            }
            continue;
        }
        page(probe, &list.id("page"), &plain);
        one_list(probe, list, &path).await?;
    }
    Ok(())
}

fn page(probe: &mut Probe, id: &str, page: &Answer) {
    let data = page.json["data"].as_array().cloned().unwrap_or_default();
    let end = |entry: Option<&Value>| entry.map_or(Value::Null, |entry| entry["id"].clone());
    let fine = page.status == 200
        && page.json["object"] == "list"
        && page.json["has_more"].is_boolean()
        && page.json.get("first_id") == Some(&end(data.first()))
        && page.json.get("last_id") == Some(&end(data.last()));
    probe.that(id, fine, "object list, has_more, first_id and last_id of the data", &page.json, &page.evidence);
}

async fn one_list(probe: &mut Probe, list: &List, path: &str) -> Result<(), Trouble> {
    for (quirk, limit) in [("limit-0", 0), ("limit-101", 101)] {
        let Some(clamps) = list.clamps else { continue };
        let answer = probe.get(format!("{path}?limit={limit}")).await?;
        if clamps {
            let most = if limit == 0 { 1 } else { 100 };
            let count = answer.json["data"].as_array().map_or(usize::MAX, Vec::len);
            let fine = answer.status == 200 && count <= most;
            probe.that(
                &list.id(quirk),
                fine,
                format!("200, at most {most}"),
                format!("{}, {count}", answer.status),
                &answer.evidence,
            );
        } else {
            let said = Said { message: Some("limit must be between 1 and 100"), ..Said::default() };
            probe.refused(&list.id(quirk), &answer, 400, said);
        }
    }
    let answer = probe.get(format!("{path}?limit=ten")).await?;
    let words = "Failed to deserialize query string: limit: invalid digit found in string";
    probe.refused(&list.id("limit-word"), &answer, 400, Said { message: Some(words), ..Said::default() });
    let answer = probe.get(format!("{path}?limit=1&limit=2")).await?;
    probe.refused(
        &list.id("limit-twice"),
        &answer,
        400,
        Said { holds: Some("duplicate field `limit`"), ..Said::default() },
    );
    for (quirk, order) in [("order-empty", ""), ("order-other", "sideways")] {
        let answer = probe.get(format!("{path}?order={order}")).await?;
        probe.invalid(&list.id(quirk), &answer);
        probe.value(&list.id(quirk), &answer, "/error/param", &Value::Null);
    }
    let answer = probe.get(format!("{path}?limit=1&colour=blue")).await?;
    probe.status(&list.id("unknown-key"), &answer, 200);
    if let Some((status, message)) = list.cursor {
        let answer = probe.get(format!("{path}?after=nothing_0123")).await?;
        if status == 404 {
            probe.missing(&list.id("after"), &answer);
        } else {
            probe.refused(&list.id("after"), &answer, status, Said { message: Some(message), ..Said::default() });
        }
    }
    Ok(())
}

/// All ids of a list as SDKs walk it: on with the last entry's id, as long as has_more says so.
async fn walk(probe: &mut Probe, path: &str, by_last_id: bool) -> Result<Vec<Vec<String>>, Trouble> {
    let mut pages = Vec::new();
    let mut after = String::new();
    loop {
        let page = probe.get(format!("{path}{after}")).await?;
        let data = page.json["data"].as_array().cloned().unwrap_or_default();
        let ids: Vec<String> = data.iter().filter_map(|entry| entry["id"].as_str()).map(str::to_owned).collect();
        let next = if by_last_id { page.json["last_id"].as_str().map(str::to_owned) } else { ids.last().cloned() };
        pages.push(ids);
        match next {
            Some(next) if page.json["has_more"] == true && pages.len() < 50 => after = format!("&after={next}"),
            _ => return Ok(pages),
        }
    }
}

fn came(probe: &mut Probe, id: &str, pages: &[Vec<String>], wanted: &[String], size: usize) {
    let expected: Vec<Vec<String>> = wanted.chunks(size).map(<[String]>::to_vec).collect();
    probe.that(id, pages == expected, format!("{expected:?}"), format!("{pages:?}"), "the pages, as they were walked");
}

async fn sessions(probe: &mut Probe) -> Result<(), Trouble> {
    let mark = format!("{}-paging", probe.facts.run);
    let mut made = Vec::new();
    for _ in 0..5 {
        let mut body = probe.session("hello");
        body["metadata"] = json!({"conform": mark});
        made.push(probe.post("/agents/sessions", body).await?.need("/id")?);
    }
    let path = format!("/agents/sessions?metadata%5Bconform%5D={mark}&limit=2");
    let up = walk(probe, &format!("{path}&order=asc"), false).await?;
    came(probe, "paging.walk-sessions", &up, &made, 2);
    came(probe, "paging.filter-kept", &up, &made, 2);
    let back: Vec<String> = made.iter().rev().cloned().collect();
    let down = walk(probe, &path, false).await?;
    came(probe, "paging.walk-sessions-back", &down, &back, 2);
    let behind = probe.get(format!("{path}&order=asc&after={}", made[2])).await?;
    let first = behind.json.pointer("/data/0/id").cloned().unwrap_or_default();
    probe.that("paging.exclusive", first == json!(made[3]), &made[3], &first, &behind.evidence);
    probe.value("paging.exact", &behind, "/has_more", &json!(false));
    let before = probe.get(format!("{path}&order=asc&after={}", made[1])).await?;
    probe.value("paging.exact", &before, "/has_more", &json!(true));
    Ok(())
}

async fn one_session(probe: &mut Probe) -> Result<(), Trouble> {
    let turned = probe.idle("one").await?;
    for text in ["two", "three"] {
        probe.say(&turned.session, text).await?;
    }
    let all = |page: &Answer| -> Vec<String> {
        let data = page.json["data"].as_array().into_iter().flatten();
        data.filter_map(|entry| entry["id"].as_str()).map(str::to_owned).collect()
    };
    let turns = all(&probe.get(turned.path("/turns?limit=100&order=asc")).await?);
    let items = all(&probe.get(turned.path("/items?limit=100&order=asc")).await?);
    let first = turns.first().cloned().unwrap_or_default();
    let of_turn = turned.path(&format!("/turns/{first}/items?order=asc"));
    let own = all(&probe.get(format!("{of_turn}&limit=100")).await?);
    let enough = turns.len() == 3 && items.len() >= 6 && own.len() >= 2;
    let walked = walk(probe, &turned.path("/turns?limit=1&order=asc"), false).await?;
    came(probe, "paging.walk-turns", &walked, &turns, 1);
    let walked = walk(probe, &turned.path("/items?limit=3&order=asc"), false).await?;
    came(probe, "paging.walk-items", &walked, &items, 3);
    let walked = walk(probe, &format!("{of_turn}&limit=1"), true).await?;
    came(probe, "paging.walk-turn-items", &walked, &own, 1);
    if !enough {
        for id in ["paging.walk-turns", "paging.walk-items", "paging.walk-turn-items"] {
            probe.that(id, false, "3 turns of 2 items", format!("{} turns, {} items", turns.len(), items.len()), "");
        }
    }
    Ok(())
}

async fn agents(probe: &mut Probe) -> Result<(), Trouble> {
    for _ in 0..21 {
        let body = probe.agent();
        probe.post("/agents", body).await?;
    }
    let page = probe.get("/agents").await?;
    let count = page.json["data"].as_array().map_or(0, Vec::len);
    let fine = count == 20 && page.json["has_more"] == true;
    probe.that("paging.default", fine, "20, has_more", format!("{count}, {}", page.json["has_more"]), &page.evidence);
    Ok(())
}
