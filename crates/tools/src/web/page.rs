//! One page of the web, as text. Each redirect is judged by its domain before it is followed, beside the rules of whoever
//! dials.

use super::domains::Domains;
use super::html;
use mcp::{Http, Kind, Reply};
use url::Url;

const REDIRECTS: usize = 5;

pub struct Page {
    /// Where it was in the end.
    pub url: String,
    pub title: String,
    pub text: String,
}

/// The error is for a model.
pub async fn fetch(http: &Http, domains: &Domains<'_>, url: &str) -> Result<Page, String> {
    let mut url = Url::parse(url).map_err(|error| format!("{url:?} is no address: {error}"))?;
    for _ in 0..=REDIRECTS {
        if !matches!(url.scheme(), "http" | "https") {
            return Err("only http and https addresses are read".to_owned());
        }
        if !domains.admit(url.as_str()) {
            return Err(format!("{} is not among the domains that may be read", url.host_str().unwrap_or_default()));
        }
        let reply = http.visit(&url).await.map_err(|failure| match failure.kind {
            Kind::TooLarge => "the page is larger than 1 MiB".to_owned(),
            _ => format!("the page cannot be read: {failure}"),
        })?;
        match reply.header("location").filter(|_| matches!(reply.status, 301 | 302 | 303 | 307 | 308)) {
            Some(onward) => {
                let next = url.join(onward).map_err(|error| format!("the page leads nowhere: {error}"))?;
                if url.scheme() == "https" && next.scheme() != "https" {
                    return Err("the page leads from https to http".to_owned());
                }
                url = next;
            }
            None => return read(&url, &reply),
        }
    }
    Err(format!("the page leads on more than {REDIRECTS} times"))
}

fn read(url: &Url, reply: &Reply) -> Result<Page, String> {
    if !reply.is_success() {
        return Err(format!("the page's server answered {}", reply.status));
    }
    let kind = reply.header("content-type").unwrap_or("text/html").to_ascii_lowercase();
    let text = decoded(&reply.body, &kind);
    let media = kind.split(';').next().unwrap_or_default().trim();
    let (title, text) = match media {
        "text/html" | "application/xhtml+xml" => {
            let page = html::read(&text);
            (page.title, page.text)
        }
        "application/json" | "application/xml" | "application/javascript" => (String::new(), text),
        media if media.starts_with("text/") || media.ends_with("+json") || media.ends_with("+xml") => {
            (String::new(), text)
        }
        other => return Err(format!("the page is no text, but {}", super::clip(other, 100))),
    };
    let title = if title.is_empty() { url.as_str().to_owned() } else { title };
    Ok(Page { url: url.as_str().to_owned(), title, text })
}

/// UTF-8, or what old pages are mostly written in.
fn decoded(body: &[u8], kind: &str) -> String {
    let charset = kind.split_once("charset=").map_or("", |(_, charset)| charset);
    let charset = charset.trim_matches(|letter: char| letter == '"' || letter == '\'').split([';', '"']).next();
    match charset.unwrap_or_default().trim() {
        "iso-8859-1" | "latin1" | "windows-1252" | "us-ascii" => body.iter().map(|byte| char::from(*byte)).collect(),
        _ => String::from_utf8_lossy(body).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mcp::Reply;

    fn page(kind: &str, body: &[u8]) -> Result<Page, String> {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        let reply = Reply { status: 200, headers, body: body.to_vec().into() };
        read(&Url::parse("https://a.example/x").unwrap(), &reply)
    }

    #[test]
    fn text_of_any_kind_is_read_and_nothing_else() {
        let html = page("text/html; charset=UTF-8", "<title>T</title><p>é".as_bytes()).unwrap();
        assert_eq!((html.title.as_str(), html.text.as_str()), ("T", "é"));
        assert_eq!(page("text/plain; charset=\"ISO-8859-1\"", b"\xe9").unwrap().text, "é");
        assert_eq!(page("application/ld+json", b"{}").unwrap().title, "https://a.example/x");
        assert_eq!(page("image/png", b"x").err().unwrap(), "the page is no text, but image/png");
    }
}
