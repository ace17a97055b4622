//! The edges between the crates: ARCHITECTURE.md draws them in a table, and cargo must agree. The table is the law; an
//! edge that is not in it is a mistake in one of the two.

use super::crates::Metadata;
use std::collections::{BTreeMap, BTreeSet};

const HEADER: [&str; 3] = ["crate", "owns", "may depend on"];
/// Crates on the longest path, the first and the last included.
const DEPTH: usize = 6;

pub fn check(metadata: &Metadata, architecture: &str) -> Vec<String> {
    let Some(rows) = rows(architecture) else {
        return vec![format!("ARCHITECTURE.md: no table with the columns {}", HEADER.join(", "))];
    };
    let (allowed, mut complaints) = allowed(&rows);
    let members: BTreeSet<&str> = metadata.members().map(|package| package.name.as_str()).collect();
    complaints.extend(
        allowed
            .keys()
            .filter(|name| !members.contains(*name))
            .map(|name| format!("ARCHITECTURE.md: no crate `{name}`")),
    );
    for package in metadata.members() {
        let Some(may) = allowed.get(package.name.as_str()) else {
            complaints.push(format!("ARCHITECTURE.md: `{}` is missing in the table of crates", package.name));
            continue;
        };
        for (to, for_tests) in &package.edges {
            // Tests may also use the crates that exist for tests.
            let test_aid = *for_tests && rows.iter().any(|row| row.dev && row.name == *to);
            if !may.contains(to.as_str()) && !test_aid && *to != package.name {
                complaints.push(format!("`{}` depends on `{to}`, against the table in ARCHITECTURE.md", package.name));
            }
        }
    }
    let depth = metadata.members().map(|package| depth(metadata, &package.name)).max().unwrap_or_default();
    if depth > DEPTH {
        complaints.push(format!("the crates are {depth} deep; {DEPTH} is the most"));
    }
    complaints
}

#[derive(Debug)]
struct Row {
    name: String,
    /// Marked `(dev)`: never part of the product.
    dev: bool,
    may: String,
}

fn rows(architecture: &str) -> Option<Vec<Row>> {
    let mut lines = architecture.lines().skip_while(|line| cells(line) != HEADER);
    lines.next()?;
    let body = lines.skip(1).take_while(|line| line.trim_start().starts_with('|'));
    let row = |line: &str| {
        let cells = cells(line);
        let [name, _, may] = cells.as_slice() else { return None };
        let dev = name.ends_with("(dev)");
        Some(Row { name: name.trim_end_matches("(dev)").trim().replace('`', ""), dev, may: may.replace('`', "") })
    };
    body.map(row).collect()
}

fn cells(line: &str) -> Vec<&str> {
    let Some(line) = line.trim().strip_prefix('|') else { return Vec::new() };
    line.strip_suffix('|').unwrap_or(line).split('|').map(str::trim).collect()
}

/// What each crate may depend on. Beside names, a cell may say `-`, `all` (of the product), `all above`, or
/// `NAME and below`: that crate and what it may depend on.
fn allowed(rows: &[Row]) -> (BTreeMap<&str, BTreeSet<&str>>, Vec<String>) {
    let mut allowed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut complaints = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let mut may = BTreeSet::new();
        for word in row.may.split(',').map(str::trim).filter(|word| !matches!(*word, "" | "-")) {
            let product = rows.iter().filter(|other| !other.dev && other.name != row.name);
            let one = |name: &str| rows.iter().find(|other| other.name == name);
            match word {
                "all" => may.extend(product.map(|other| other.name.as_str())),
                "all above" => may.extend(rows[..at].iter().map(|other| other.name.as_str())),
                _ => match one(word.trim_end_matches("and below").trim()) {
                    Some(other) => {
                        may.insert(other.name.as_str());
                        if word.ends_with("and below") {
                            may.extend(allowed.get(other.name.as_str()).into_iter().flatten());
                        }
                    }
                    None => complaints.push(format!("ARCHITECTURE.md: `{}` may depend on `{word}`?", row.name)),
                },
            }
        }
        allowed.insert(&row.name, may);
    }
    (allowed, complaints)
}

fn depth(metadata: &Metadata, name: &str) -> usize {
    let package = metadata.members().find(|package| package.name == name);
    let below = package.into_iter().flat_map(|package| &package.edges).filter(|(_, for_tests)| !for_tests);
    1 + below.map(|(to, _)| depth(metadata, to)).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    //! Tables and graphs of three crates.
    use super::super::crates::Package;
    use super::*;

    const TABLE: &str = "# Map\n\n| crate | owns | may depend on |\n|---|---|---|\n| `types` | ids | - |\n\
        | `store` | log | types |\n| `top` | all | all above |\n| `sim` (dev) | tests | top and below |\n\nEnd.\n";

    fn complaints(edges: &[(&str, &[(&str, bool)])]) -> Vec<String> {
        let package = |(name, edges): &(&str, &[(&str, bool)])| Package {
            name: (*name).to_owned(),
            member: true,
            edges: edges.iter().map(|(to, dev)| ((*to).to_owned(), *dev)).collect(),
            ..Package::default()
        };
        check(&Metadata { packages: edges.iter().map(package).collect() }, TABLE)
    }

    #[test]
    fn the_table_is_the_law() {
        let base: [(&str, &[(&str, bool)]); 4] = [
            ("types", &[]),
            ("store", &[("types", false), ("sim", true)]),
            ("top", &[("store", false), ("types", false)]),
            ("sim", &[("store", false), ("top", false)]),
        ];
        assert_eq!(complaints(&base), [""; 0]);
        let mut upward = base;
        upward[0] = ("types", &[("store", true)]);
        assert_eq!(complaints(&upward), ["`types` depends on `store`, against the table in ARCHITECTURE.md"]);
        let mut product_on_dev = base;
        product_on_dev[1] = ("store", &[("sim", false)]);
        assert_eq!(complaints(&product_on_dev[..2]).len(), 3, "the edge, and two crates that are missing");
        assert_eq!(complaints(&base[..3]), ["ARCHITECTURE.md: no crate `sim`"]);
        assert_eq!(check(&Metadata::default(), "no table").len(), 1);
    }
}
