//! What a command showed on a terminal, as a picture: lines of text in an SVG, with nothing in it that is different
//! each time.

use std::fmt::Write;

/// One run of text in one dress; the codes are those of `terminal::Style`.
struct Run {
    dress: &'static str,
    text: String,
}

/// Text without its colours.
pub fn undressed(said: &str) -> String {
    let lines: Vec<String> =
        said.lines().map(|line| runs(line).into_iter().map(|run| run.text).collect::<String>()).collect();
    lines.join("\n") + "\n"
}

fn runs(line: &str) -> Vec<Run> {
    let mut runs = Vec::new();
    for (index, part) in line.split("\u{1b}[").enumerate() {
        let (code, text) = if index == 0 { ("0", part) } else { part.split_once('m').expect("a code") };
        let dress = match code {
            "0" => "",
            "1" => "b",
            "2" => "d",
            "31" => "r",
            "32" => "g",
            "36" => "c",
            other => panic!("an unknown dress: {other}"),
        };
        runs.push(Run { dress, text: text.to_owned() });
    }
    runs.retain(|run| !run.text.is_empty());
    runs
}

/// Process numbers, ports, ids and keys, which are others each time.
fn steady(said: &str) -> String {
    let digits = |c: char| c.is_ascii_digit();
    let id = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut text = said.to_owned();
    for (index, number) in super::quickstart::servers(said).into_iter().enumerate() {
        let name = (4242 + index * 7).to_string();
        text = text.replace(&format!("process {number}"), &format!("process {name}"));
        text = text.replace(&format!("kill -9 {number}"), &format!("kill -9 {name}"));
    }
    let text = masked(&text, "127.0.0.1:", digits, "8080");
    let text = masked(&text, "evt_", id, "…");
    masked(&text, "sk-", id, "…")
}

/// Replaces what follows each `prefix`, as far as `fits`.
fn masked(text: &str, prefix: &str, fits: impl Fn(char) -> bool, mask: &str) -> String {
    let mut parts = text.split(prefix);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(prefix);
        out.push_str(mask);
        out.push_str(part.trim_start_matches(&fits));
    }
    out
}

const SIZE: f64 = 14.0;
const WIDE: f64 = 8.43;
const HIGH: usize = 20;
const EDGE: usize = 20;

/// Lines appear one after the other, once; where nothing moves they are all there.
const STYLE: &str = "
  text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #d7dbe0;
         white-space: pre; animation: appear .25s ease-out backwards; }
  .b { fill: #ffffff; font-weight: 700; } .d { fill: #7d8794; } .r { fill: #ff6b6b; } .g { fill: #69d58c; }
  .c { fill: #5cc8e0; }
  @keyframes appear { from { opacity: 0; } }
  @media (prefers-reduced-motion: reduce) { text { animation: none; } }
";

pub fn svg(said: &str) -> String {
    let said = steady(said);
    let lines: Vec<Vec<Run>> = said.trim_end().lines().map(runs).collect();
    let columns = undressed(&said).lines().map(|line| line.chars().count()).max().unwrap_or(0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small")]
    let width = (columns as f64 * WIDE) as usize + 2 * EDGE;
    let height = lines.len() * HIGH + 2 * EDGE + 20;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" xml:space=\"preserve\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\" aria-label=\"outcrop quickstart in a terminal\">\n<style>{STYLE}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"10\" fill=\"#12161c\"/>\n"
    );
    for (index, colour) in ["#ff5f57", "#febc2e", "#28c840"].into_iter().enumerate() {
        writeln!(svg, "<circle cx=\"{}\" cy=\"20\" r=\"5.5\" fill=\"{colour}\"/>", 24 + index * 19).expect("a string");
    }
    for (index, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        let y = EDGE + 20 + (index + 1) * HIGH - (HIGH - SIZE as usize) / 2;
        let delay = index as f64 * 0.12;
        write!(svg, "<text x=\"{EDGE}\" y=\"{y}\" style=\"animation-delay:{delay:.2}s\">").expect("a string");
        for run in line {
            let text = run.text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            match run.dress {
                "" => svg.push_str(&text),
                dress => write!(svg, "<tspan class=\"{dress}\">{text}</tspan>").expect("a string"),
            }
        }
        svg.push_str("</text>\n");
    }
    svg + "</svg>\n"
}

#[test]
fn what_changes_each_time_is_masked() {
    let said = "\u{1b}[1mhttp://127.0.0.1:4711 (process 99)\u{1b}[0m\n✗ kill -9 99: <dead> evt_ab12_01 sk-abc_9\"";
    let svg = svg(said);
    assert!(svg.contains("<tspan class=\"b\">http://127.0.0.1:8080 (process 4242)</tspan></text>"), "{svg}");
    assert!(svg.contains(">✗ kill -9 4242: &lt;dead&gt; evt_… sk-…\"</text>"), "{svg}");
}
