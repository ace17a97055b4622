//! Images and documents that stand in a message. A document that is text is shown to the model as text, with its name around
//! it; any other goes to the model as the file that it is.

use super::not_served;
use super::turns::{Part, plain, required};
use crate::attached::is_base64;
use crate::error::Fault;
use crate::reader::Node;
use crate::words::{Word, words};
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

/// The longest name of a document, in characters.
const MAX_NAME: usize = 200;
/// With its padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

words! {
    ImageFormat { Png => "png", Jpeg => "jpeg", Gif => "gif", Webp => "webp" }
    DocumentFormat {
        Pdf => "pdf", Csv => "csv", Doc => "doc", Docx => "docx", Xls => "xls", Xlsx => "xlsx", Html => "html", Txt => "txt",
        Md => "md",
    }
}

impl DocumentFormat {
    /// None for text.
    fn media_type(self) -> Option<&'static str> {
        match self {
            Self::Pdf => Some("application/pdf"),
            Self::Doc => Some("application/msword"),
            Self::Docx => Some("application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
            Self::Xls => Some("application/vnd.ms-excel"),
            Self::Xlsx => Some("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
            Self::Csv | Self::Html | Self::Txt | Self::Md => None,
        }
    }
}

/// Its `data:` URL.
pub(super) fn image(node: Node) -> Result<String, Fault> {
    let mut image = node.object()?;
    let format: ImageFormat = required(&mut image, "format")?.word()?;
    let mut source = required(&mut image, "source")?.object()?;
    if let Some(node) = source.present("s3Location") {
        return Err(not_served(node.path(), "A location in S3"));
    }
    let bytes = base64(required(&mut source, "bytes")?)?;
    source.finish()?;
    // What an answer says of an image that it could not make.
    image.present("error");
    image.finish()?;
    Ok(format!("data:image/{};base64,{bytes}", format.as_str()))
}

pub(super) fn document(node: Node) -> Result<Part, Fault> {
    let mut document = node.object()?;
    let format = document.present("format").map(Node::word::<DocumentFormat>).transpose()?;
    let format = format.unwrap_or(DocumentFormat::Txt);
    let name = document_name(required(&mut document, "name")?)?;
    let context = document.present("context").map(Node::string).transpose()?;
    if let Some(node) = document.present("citations") {
        let mut citations = node.object()?;
        let enabled = required(&mut citations, "enabled")?;
        let path = enabled.path().to_owned();
        if enabled.boolean()? {
            return Err(not_served(&path, "A citation"));
        }
        citations.finish()?;
    }
    let source = required(&mut document, "source")?;
    document.finish()?;
    let text = match content(source, format)? {
        Content::Text(text) => text,
        Content::Bytes(data) => {
            let media_type = format.media_type().unwrap_or("application/octet-stream");
            let data = format!("data:{media_type};base64,{data}");
            return Ok(Part::File { name: format!("{name}.{}", format.as_str()), data });
        }
    };
    let about = context.map_or_else(String::new, |context| format!("{context}\n\n"));
    let word = format.as_str();
    Ok(Part::Text(format!("{about}<document name=\"{name}\" format=\"{word}\">\n{text}\n</document>")))
}

enum Content {
    Text(String),
    /// Base64.
    Bytes(String),
}

fn content(node: Node, format: DocumentFormat) -> Result<Content, Fault> {
    let path = node.path().to_owned();
    let mut source = node.object()?;
    let content = if let Some(node) = source.present("s3Location") {
        return Err(not_served(node.path(), "A location in S3"));
    } else if let Some(node) = source.present("text") {
        Content::Text(node.string()?)
    } else if let Some(node) = source.present("content") {
        let texts: Vec<String> = node.array("an array of objects")?.into_iter().map(plain).collect::<Result<_, _>>()?;
        Content::Text(texts.join("\n"))
    } else {
        let node = required(&mut source, "bytes")?;
        let at = node.path().to_owned();
        let bytes = base64(node)?;
        match format.media_type() {
            Some(_) => Content::Bytes(bytes),
            None => {
                Content::Text(decoded(&bytes).and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| {
                    let word = format.as_str();
                    Fault::at(
                        &at,
                        format!("The document at {path} is not the UTF-8 text that its format '{word}' says."),
                    )
                })?)
            }
        }
    };
    source.finish()?;
    Ok(content)
}

/// Letters and digits, and single spaces, hyphens, parentheses and brackets: it is told to the model.
fn document_name(node: Node) -> Result<String, Fault> {
    let path = node.path().to_owned();
    let name = node.short_text(MAX_NAME)?;
    let fits = |letter: char| letter.is_alphanumeric() || letter == ' ' || "-()[]".contains(letter);
    if name.chars().all(fits) && !name.contains("  ") {
        return Ok(name);
    }
    let text = "The document file name can only contain alphanumeric characters, whitespace characters, hyphens, \
                parentheses, and square brackets. The name can't contain more than one consecutive whitespace character.";
    Err(Fault::at(&path, text))
}

/// Base64 that says something, as it came.
fn base64(node: Node) -> Result<String, Fault> {
    let path = node.path().to_owned();
    let text = node.text()?;
    if is_base64(&text) {
        return Ok(text);
    }
    Err(Fault::at(&path, format!("Invalid '{path}'. Expected base64.")))
}

/// The bytes that base64 stands for.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}
