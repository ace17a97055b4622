//! Reading, writing, listing and showing files; and what a confined station refuses.

use crate::stage::{Stage, Unheard, repeated};
use serde_json::json;
use std::os::unix::fs::symlink;
use types::{CallOutput, Content, ToolOutcome, Tools};

#[tokio::test]
async fn a_file_is_written_and_read_again() {
    let stage = Stage::new();
    let write = stage.request("write_file", &json!({"path": "a/b/c.txt", "content": "one\ntwo\n"}));
    for request in [&write, &repeated(&write)] {
        let done = stage.bench.perform(request, &Unheard).await;
        let path = stage.path("a/b/c.txt");
        let expected = format!("wrote {}: 2 lines, 8 bytes", path.display());
        assert_eq!(done, ToolOutcome::Done(CallOutput::Text(expected)));
        assert_eq!(stage.holds("a/b/c.txt").unwrap(), "one\ntwo\n");
    }
    let text = stage.said("read_file", json!({"path": "./a/../a/b/c.txt", "offset": 2})).await;
    assert!(text.starts_with("lines 2 to 2 of 2 of ") && text.ends_with("/a/b/c.txt\ntwo\n"), "{text}");
}

#[tokio::test]
async fn what_cannot_be_read_says_why() {
    let stage = Stage::new();
    stage.put("binary", [0, 1, 2]);
    stage.put("below/file", "");
    stage.put("large", vec![b'x'; (16 << 20) + 1]);
    stage.ran("shell", json!({"command": "mkfifo pipe"})).await;
    symlink("binary", stage.path("link")).unwrap();
    for (path, expected) in [
        ("none", "not found"),
        ("binary", "is no text: it has 3 bytes"),
        ("link", "is no text: it has 3 bytes"),
        ("below", "it is a directory"),
        ("pipe", "it is no regular file"),
        ("large", "has more than 16777216 bytes: look at parts"),
        ("", "that is no path"),
        ("a\u{0}", "that is no path"),
    ] {
        let error = stage.failed("read_file", json!({"path": path})).await;
        assert!(error.contains(expected), "{path}: {error}");
    }
    for (path, expected) in [("below", "it is a directory"), ("pipe", "it is no regular file")] {
        let error = stage.failed("write_file", json!({"path": path, "content": ""})).await;
        assert!(error.contains(expected), "{path}: {error}");
    }
}

#[tokio::test]
async fn a_directory_is_listed_as_deep_as_asked() {
    let stage = Stage::new();
    for name in ["b.txt", "a/x/deep", "a/y", ".git/config"] {
        stage.put(name, "");
    }
    symlink("a", stage.path("link")).unwrap();
    let list = async |arguments| {
        let text = stage.said("list_files", arguments).await;
        text.split_once('\n').unwrap().1.to_owned()
    };
    assert_eq!(list(json!({})).await, ".git/\na/\nb.txt\nlink@");
    // Level by level within each directory, and nothing of what git keeps.
    assert_eq!(list(json!({"depth": 2})).await, ".git/\na/\nb.txt\nlink@\na/x/\na/y");
    assert_eq!(list(json!({"depth": 6, "path": "a"})).await, "x/\ny\nx/deep");
    assert_eq!(list(json!({"path": ".git"})).await, "config");
    std::fs::create_dir(stage.path("empty")).unwrap();
    assert_eq!(list(json!({"path": "empty"})).await, "(empty)");
    for n in 0..1200 {
        stage.put(&format!("many/{n:04}"), "");
    }
    let all = list(json!({"path": "many"})).await;
    assert!(all.starts_with("0000\n0001\n") && all.contains("\n0999\n[cut after 1000 entries"), "{all}");
    let error = stage.failed("list_files", json!({"path": "b.txt"})).await;
    assert!(error.contains("b.txt was not listed"), "{error}");
}

#[tokio::test]
async fn an_image_is_shown_by_what_it_is() {
    let stage = Stage::new();
    stage.put("picture.txt", b"\x89PNG\r\n\x1a\nrest");
    let outcome = stage.call("view_image", json!({"path": "picture.txt"})).await;
    let ToolOutcome::Done(CallOutput::Parts(parts)) = outcome else { panic!("{outcome:?}") };
    let [Content::Text { .. }, Content::Image { image_url }] = &parts[..] else { panic!("{parts:?}") };
    assert_eq!(image_url, "data:image/png;base64,iVBORw0KGgpyZXN0");
    stage.put("text.png", "no image");
    let error = stage.failed("view_image", json!({"path": "text.png"})).await;
    assert!(error.ends_with("is no PNG, JPEG, GIF or WebP image"), "{error}");
    stage.put("large.png", vec![0; (700 << 10) + 1]);
    let error = stage.failed("view_image", json!({"path": "large.png"})).await;
    assert!(error.contains("make a smaller copy"), "{error}");
}

#[tokio::test]
async fn a_confined_station_writes_nothing_outside() {
    let stage = Stage::confined();
    let outside = stage.folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("kept"), "as it was").unwrap();
    stage.put("inside/file", "mine\n");
    symlink(&outside, stage.path("door")).unwrap();
    symlink(outside.join("kept"), stage.path("window")).unwrap();
    symlink(outside.join("new"), stage.path("dangling")).unwrap();
    symlink("inside", stage.path("corridor")).unwrap();

    let absolute = outside.join("new").to_str().unwrap().to_owned();
    let up = "../outside/new".to_owned();
    let ways = [absolute, up, "inside/../../outside/new".into(), "door/new".into(), "door/a/b/new".into()];
    for path in ways.into_iter().chain(["window".to_owned(), "dangling".to_owned()]) {
        let patch = format!("*** Begin Patch\n*** Add File: {path}\n+x\n*** End Patch");
        let moved = format!("*** Begin Patch\n*** Update File: inside/file\n*** Move to: {path}\n*** End Patch");
        let update = format!("*** Begin Patch\n*** Update File: {path}\n@@\n-as it was\n+new\n*** End Patch");
        let delete = format!("*** Begin Patch\n*** Delete File: {path}\n*** End Patch");
        for (tool, arguments) in [
            ("write_file", json!({"path": path, "content": "x"})),
            ("apply_patch", json!({"patch": patch})),
            ("apply_patch", json!({"patch": moved})),
            ("apply_patch", json!({"patch": update})),
            ("apply_patch", json!({"patch": delete})),
        ] {
            let error = stage.failed(tool, arguments.clone()).await;
            let expected =
                if path == "dangling" { "is a link that leads nowhere" } else { "is outside of the workspace" };
            assert!(error.contains(expected), "{arguments}: {error}");
        }
    }
    let left: Vec<_> = std::fs::read_dir(&outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["kept"]);
    assert_eq!(std::fs::read_to_string(outside.join("kept")).unwrap(), "as it was");

    // Links that stay inside are as good as directories.
    stage.said("write_file", json!({"path": "corridor/new/file", "content": "x"})).await;
    assert_eq!(stage.holds("inside/new/file").unwrap(), "x");
}

#[tokio::test]
async fn an_open_station_writes_where_it_is_told() {
    let stage = Stage::new();
    stage.said("write_file", json!({"path": "../beside", "content": "x"})).await;
    assert_eq!(std::fs::read_to_string(stage.folder.path().join("beside")).unwrap(), "x");
}
