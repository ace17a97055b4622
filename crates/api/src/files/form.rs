//! A form with one file in it, received as it comes: the file goes into a draft, blob by blob, and the fields are small.
//! Whatever goes wrong takes the draft away again.

use super::refused;
use crate::Door;
use crate::body::{Flow, IDLE};
use crate::failure::Failure;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use runtime::Draft;
use std::mem;
use types::ProjectId;
use wire::Fault;
use wire::files::multipart::{Form, Head, Piece};
use wire::files::request::twice;

/// Delimiters, heads and fields together, bytes.
const BESIDE: u64 = 1 << 20;
/// One field, bytes.
const FIELD: usize = 4 << 10;
/// What one request may hold in memory: the blob that fills, and what came last.
const HELD: u64 = 9 << 20;
/// The longest media type that is kept.
const MEDIA_TYPE: usize = 256;

/// What came.
pub struct Sent {
    pub head: Head,
    pub draft: Draft,
    pub fields: Vec<(String, String)>,
}

/// Where a form has come to.
struct Reading {
    /// The file's field.
    name: &'static str,
    limit: u64,
    head: Option<Head>,
    draft: Draft,
    fields: Vec<(String, String)>,
    place: Place,
}

enum Place {
    Outside,
    File,
    Field(String, Vec<u8>),
}

/// Receives the form of a request, whose file stands in the field `name` and has at most `limit` bytes.
///
/// A form that is wrong is heard to its end before it is refused: most clients only listen when they have said all.
pub async fn receive(
    door: &Door,
    project: &ProjectId,
    request: Request,
    name: &'static str,
    limit: u64,
) -> Result<Sent, Failure> {
    let (parts, body) = request.into_parts();
    let most = limit + BESIDE;
    if announced(&parts.headers).is_some_and(|length| length > most) {
        return Err(too_large(limit));
    }
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let (place, draft) = (Place::Outside, door.files.draft(project));
    let mut reading = Reading { name, limit, head: None, draft, fields: Vec::new(), place };
    let form = Form::new(content_type).map_err(Failure::from);
    read(door, form, body, &mut reading).await?;
    match reading.head {
        None => Err(Fault::at(name, format!("Missing required parameter: '{name}'.")).into()),
        Some(head) => Ok(Sent { head, draft: reading.draft, fields: reading.fields }),
    }
}

/// Ends at once only where the body itself does: then there is nothing more to hear.
async fn read(door: &Door, form: Result<Form, Failure>, body: Body, reading: &mut Reading) -> Result<(), Failure> {
    let mut flow = Flow::new(body, &*door.clock);
    let mut held = door.traffic.bodies.enter();
    let most = reading.limit + BESIDE;
    let mut form = form;
    while let Some(bytes) = flow.next().await? {
        if flow.received() > most {
            return Err(too_large(reading.limit));
        }
        let Ok(open) = &mut form else { continue };
        let size = usize::try_from(flow.received().min(HELD)).unwrap_or(usize::MAX);
        flow.pause(held.grow(size, IDLE, &*door.clock)).await?;
        let taken = match open.push(&bytes) {
            Ok(pieces) => flow.pause(reading.take(pieces)).await,
            Err(fault) => Err(fault.into()),
        };
        if let Err(failure) = taken {
            form = Err(failure);
        }
    }
    Ok(form?.finish()?)
}

impl Reading {
    async fn take(&mut self, pieces: Vec<Piece>) -> Result<(), Failure> {
        for piece in pieces {
            match piece {
                Piece::Head(head) => self.begin(head)?,
                Piece::Body(bytes) => match &mut self.place {
                    Place::File => self.write(&bytes).await?,
                    Place::Field(name, text) if text.len() + bytes.len() > FIELD => {
                        let message = format!("The form's field is too long. Expected at most {FIELD} bytes.");
                        return Err(Fault::at(name, message).into());
                    }
                    Place::Field(_, text) => text.extend(bytes),
                    Place::Outside => {}
                },
                Piece::End => self.end()?,
            }
        }
        Ok(())
    }

    fn begin(&mut self, mut head: Head) -> Result<(), Failure> {
        if head.name != self.name {
            self.place = Place::Field(head.name, Vec::new());
            return Ok(());
        }
        if self.head.is_some() {
            return Err(twice(self.name).into());
        }
        if head.filename.is_none() {
            let message = format!("Invalid type for '{}': expected a file, but got a string instead.", self.name);
            return Err(Fault::at(self.name, message).into());
        }
        head.media_type = head.media_type.filter(|media_type| media_type.len() <= MEDIA_TYPE);
        self.head = Some(head);
        self.place = Place::File;
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        if self.draft.size() + bytes.len() as u64 > self.limit {
            return Err(too_large(self.limit).at(self.name));
        }
        self.draft.write(bytes).await.map_err(refused)
    }

    fn end(&mut self) -> Result<(), Failure> {
        if let Place::Field(name, text) = mem::replace(&mut self.place, Place::Outside) {
            let Ok(text) = String::from_utf8(text) else {
                return Err(Fault::at(&name, "The form's field is not UTF-8 text.").into());
            };
            self.fields.push((name, text));
        }
        Ok(())
    }
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(limit: u64) -> Failure {
    Failure::too_large(usize::try_from(limit).unwrap_or(usize::MAX))
}
