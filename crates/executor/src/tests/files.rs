//! Files and folders, and what must not be taken for one.

use super::*;
use std::fs;
use std::path::Path;

async fn with_folder() -> (Client, tempfile::TempDir) {
    let (client, _) = Client::connect(&executor(LONG)).await;
    (client, tempfile::tempdir().unwrap())
}

fn uri(path: impl AsRef<Path>) -> String {
    wire::executor::FileUri::from_path(path.as_ref()).unwrap().to_string()
}

#[tokio::test]
async fn a_file_is_written_read_looked_at_copied_and_removed() {
    let (mut client, folder) = with_folder().await;
    let path = uri(folder.path().join("ä b.txt"));
    let write = json!({"path": path, "dataBase64": "aGVsbG8=", "sandbox": null});
    assert_eq!(client.ask("fs/writeFile", write).await.unwrap(), json!({}));
    assert_eq!(client.ask("fs/readFile", json!({"path": path})).await.unwrap(), json!({"dataBase64": "aGVsbG8="}));
    let seen = client.ask("fs/getMetadata", json!({"path": path})).await.unwrap();
    assert_eq!((&seen["isFile"], &seen["isDirectory"], &seen["size"]), (&json!(true), &json!(false), &json!(5)));
    assert!(seen["modifiedAtMs"].as_i64().unwrap() > 1_600_000_000_000);
    let other = uri(folder.path().join("b.txt"));
    let copy = json!({"sourcePath": path, "destinationPath": other, "recursive": false});
    assert_eq!(client.ask("fs/copy", copy).await.unwrap(), json!({}));
    let onto_itself = json!({"sourcePath": path, "destinationPath": path, "recursive": false});
    assert_eq!(client.ask("fs/copy", onto_itself).await.unwrap_err().0, -32602);
    let entries = client.ask("fs/readDirectory", json!({"path": uri(folder.path())})).await.unwrap();
    let names = [
        json!({"fileName": "b.txt", "isDirectory": false, "isFile": true}),
        json!({"fileName": "ä b.txt", "isDirectory": false, "isFile": true}),
    ];
    assert_eq!(entries, json!({"entries": names}));
    let remove = json!({"path": other, "recursive": false, "force": false});
    client.ask("fs/remove", remove.clone()).await.unwrap();
    assert_eq!(client.ask("fs/remove", remove).await.unwrap_err().0, -32004);
    client.ask("fs/remove", json!({"path": other, "recursive": false, "force": true})).await.unwrap();
    assert_eq!(fs::read(folder.path().join("ä b.txt")).unwrap(), b"hello");
}

#[tokio::test]
async fn paths_are_uris_and_their_dots_are_text() {
    let (mut client, folder) = with_folder().await;
    fs::write(folder.path().join("a"), "x").unwrap();
    let dotted = format!("{}/no-such/../a", uri(folder.path()));
    let found = client.ask("fs/canonicalize", json!({"path": dotted})).await.unwrap();
    assert_eq!(found["path"], uri(fs::canonicalize(folder.path()).unwrap().join("a")));
    let bare = client.ask("fs/readFile", json!({"path": "/tmp/x"})).await.unwrap_err();
    assert_eq!(bare, (-32602, "invalid URI: relative URL without a base".into()));
    let missing = client.ask("fs/readFile", json!({"path": uri(folder.path().join("none"))})).await.unwrap_err();
    assert_eq!(missing, (-32004, "No such file or directory (os error 2)".into()));
    let sandbox = json!({"permissions": {"type": "managed"}});
    let refused = client.ask("fs/readFile", json!({"path": uri(folder.path().join("a")), "sandbox": sandbox})).await;
    assert_eq!(refused.unwrap_err().0, -32602);
}

#[tokio::test]
async fn what_would_wait_or_never_end_is_no_file() {
    let (mut client, folder) = with_folder().await;
    let pipe = folder.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
    for path in [pipe.as_path(), Path::new("/dev/zero"), folder.path()] {
        let read = client.ask("fs/readFile", json!({"path": uri(path)})).await.unwrap_err();
        assert_eq!(read, (-32600, "not a regular file".into()), "{path:?}");
    }
    client.ask("fs/writeFile", json!({"path": uri(&pipe), "dataBase64": ""})).await.unwrap_err();
    let large = folder.path().join("large");
    fs::File::create(&large).unwrap().set_len(1 << 30).unwrap();
    let (code, message) = client.ask("fs/readFile", json!({"path": uri(&large)})).await.unwrap_err();
    assert!(code == -32602 && message.contains("read it in blocks"), "{message}");
    let open = json!({"handleId": "h", "path": uri(&large)});
    client.ask("fs/open", open).await.unwrap();
    let block = json!({"handleId": "h", "offset": (1_u64 << 30) - 3, "len": u64::MAX});
    assert_eq!(client.ask("fs/readBlock", block).await.unwrap(), json!({"chunk": "AAAA", "eof": true}));
    let block = json!({"handleId": "h", "offset": u64::MAX, "len": 1});
    client.ask("fs/readBlock", block).await.unwrap_err();
}

#[tokio::test]
async fn a_file_is_replaced_when_its_handle_is_closed() {
    let (mut client, folder) = with_folder().await;
    let path = folder.path().join("w");
    fs::write(&path, "old").unwrap();
    let open = json!({"handleId": "w", "path": uri(&path), "mode": "replace"});
    assert_eq!(client.ask("fs/open", open.clone()).await.unwrap(), json!({"handleId": "w"}));
    assert_eq!(client.ask("fs/open", open.clone()).await.unwrap_err().0, -32600);
    for (offset, chunk) in [(2, "llo"), (0, "he")] {
        let write = json!({"handleId": "w", "offset": offset, "chunk": encoded(chunk)});
        client.ask("fs/writeBlock", write).await.unwrap();
    }
    assert_eq!(fs::read(&path).unwrap(), b"old");
    client.ask("fs/close", json!({"handleId": "w"})).await.unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"hello");
    let gone = client.ask("fs/writeBlock", json!({"handleId": "w", "offset": 0, "chunk": ""})).await.unwrap_err();
    assert_eq!(gone, (-32004, "unknown file handle `w`".into()));
    // One that is never closed leaves nothing behind.
    client.ask("fs/open", open).await.unwrap();
    drop(client);
    while fs::read_dir(folder.path()).unwrap().count() > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(fs::read(&path).unwrap(), b"hello");
    let mode = json!({"handleId": "w", "path": uri(&path), "mode": "write"});
    let (mut client, _) = Client::connect(&executor(LONG)).await;
    let refused = client.ask("fs/open", mode).await.unwrap_err();
    assert_eq!(refused, (-32602, "unknown variant `write`, expected `read` or `replace`".into()));
}

#[tokio::test]
async fn a_walk_keeps_to_its_limits_and_goes_in_no_circle() {
    let (mut client, folder) = with_folder().await;
    fs::create_dir_all(folder.path().join("a/b")).unwrap();
    fs::write(folder.path().join("a/f"), "").unwrap();
    fs::write(folder.path().join("a/b/g"), "").unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("a/up")).unwrap();
    let walk = |depth: u64, entries: u64, folders: u64, follow: bool| {
        json!({"path": uri(folder.path()), "options":
            {"maxDepth": depth, "maxEntries": entries, "maxDirectories": folders, "followDirectorySymlinks": follow}})
    };
    let mut shown = async |params: Value| {
        let walked = client.ask("fs/walk", params).await.unwrap();
        let base = uri(folder.path());
        let entries = walked["entries"].as_array().unwrap().iter();
        let names: Vec<String> = entries
            .map(|entry| {
                format!("{} {}", &entry["path"].as_str().unwrap()[base.len() + 1..], entry["kind"].as_str().unwrap())
            })
            .collect();
        (names.join(", "), walked["truncated"].as_bool().unwrap())
    };
    let all = "a directory, a/b directory, a/f file, a/up other, a/b/g file";
    assert_eq!(shown(walk(9, 99, 99, false)).await, (all.to_owned(), false));
    let followed = "a directory, a/b directory, a/f file, a/up directory, a/b/g file";
    assert_eq!(shown(walk(9, 99, 99, true)).await, (followed.to_owned(), false));
    assert_eq!(shown(walk(1, 99, 99, false)).await, ("a directory".to_owned(), true));
    assert_eq!(shown(walk(9, 2, 99, false)).await, ("a directory, a/b directory".to_owned(), true));
    assert_eq!(shown(walk(9, 99, 1, false)).await, ("a directory".to_owned(), true));
    let missing = client.ask("fs/walk", json!({"path": uri(folder.path()), "options": {}})).await.unwrap_err();
    assert_eq!(missing, (-32602, "missing field `maxDepth`".into()));
}

#[tokio::test]
async fn folders_are_made_copied_and_removed() {
    let (mut client, folder) = with_folder().await;
    let at = |name: &str| uri(folder.path().join(name));
    let nested = json!({"path": at("d/e"), "recursive": false});
    assert_eq!(client.ask("fs/createDirectory", nested).await.unwrap_err().0, -32004);
    client.ask("fs/createDirectory", json!({"path": at("d/e"), "recursive": true})).await.unwrap();
    fs::write(folder.path().join("d/e/f"), "f").unwrap();
    let copy =
        |to: &str, recursive: bool| json!({"sourcePath": at("d"), "destinationPath": at(to), "recursive": recursive});
    assert_eq!(client.ask("fs/copy", copy("c", false)).await.unwrap_err().0, -32602);
    assert_eq!(client.ask("fs/copy", copy("d/e/inside", true)).await.unwrap_err().0, -32602);
    client.ask("fs/copy", copy("c", true)).await.unwrap();
    assert_eq!(fs::read(folder.path().join("c/e/f")).unwrap(), b"f");
    let remove = |recursive: bool| json!({"path": at("c"), "recursive": recursive, "force": false});
    client.ask("fs/remove", remove(false)).await.unwrap_err();
    client.ask("fs/remove", remove(true)).await.unwrap();
    assert!(!folder.path().join("c").exists() && folder.path().join("d/e/f").exists());
}
