//! Paths as clients of an interpreter write them: relative to the working directory, or absolute in it. Pure.

use crate::disk::Place;

const WORKSPACE: &str = "/workspace";

/// None for one that leads out, or that is none.
pub(super) fn place(path: &str) -> Option<Place> {
    let relative = match path.strip_prefix(WORKSPACE) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => rest,
        _ if path.starts_with('/') => return None,
        _ => path,
    };
    let mut clean = WORKSPACE.to_owned();
    for name in relative.split('/').filter(|name| !matches!(*name, "" | ".")) {
        clean.push('/');
        clean.push_str(name);
    }
    Place::clean(&clean)
}

/// Of a file: the workspace itself is none.
pub(super) fn file(path: &str) -> Option<Place> {
    place(path).filter(|place| !place.relative().is_empty())
}

/// By the end of its name.
pub(super) fn media_type(path: &str, is_text: bool) -> &'static str {
    let end = path.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).unwrap_or_default();
    match end.as_str() {
        "csv" => "text/csv",
        "json" => "application/json",
        "html" | "htm" => "text/html",
        "md" => "text/markdown",
        "py" => "text/x-python",
        "js" | "mjs" => "text/javascript",
        "xml" => "application/xml",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "pdf" => "application/pdf",
        "zip" => "application/zip",
        _ if is_text => "text/plain",
        _ => "application/octet-stream",
    }
}
