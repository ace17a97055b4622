//! The endpoints beside the Agents API: what OpenAI's SDKs call below `client`, and what we offer beyond them.

use super::Answered::{Any, Bytes, List, One, Page};
use super::Method::{Delete, Get, Post};
use super::{Endpoint, row};

pub const DOORS: [Endpoint; 39] = [
    row(Post, "/responses", "responses.create", One("Response")),
    // Beside the output items of the SDK's type, the user's messages that stay.
    row(Post, "/responses/compact", "responses.compact", Any),
    row(Post, "/responses/input_tokens", "responses.input_tokens.count", One("InputTokenCountResponse")),
    row(Delete, "/responses/{response_id}", "responses.delete", Any),
    row(Get, "/responses/{response_id}", "responses.retrieve", One("Response")),
    row(Post, "/responses/{response_id}/cancel", "responses.cancel", One("Response")),
    row(Get, "/responses/{response_id}/input_items", "responses.input_items.list", Page("ResponseItem")),
    row(Post, "/conversations", "conversations.create", One("Conversation")),
    row(Delete, "/conversations/{conversation_id}", "conversations.delete", One("ConversationDeletedResource")),
    row(Get, "/conversations/{conversation_id}", "conversations.retrieve", One("Conversation")),
    row(Post, "/conversations/{conversation_id}", "conversations.update", One("Conversation")),
    row(Get, "/conversations/{conversation_id}/items", "conversations.items.list", Page("ConversationItem")),
    row(Post, "/conversations/{conversation_id}/items", "conversations.items.create", Page("ConversationItem")),
    row(Delete, "/conversations/{conversation_id}/items/{item_id}", "conversations.items.delete", One("Conversation")),
    row(
        Get,
        "/conversations/{conversation_id}/items/{item_id}",
        "conversations.items.retrieve",
        One("ConversationItem"),
    ),
    row(Get, "/chat/completions", "chat.completions.list", Page("ChatCompletion")),
    row(Post, "/chat/completions", "chat.completions.create", One("ChatCompletion")),
    row(Delete, "/chat/completions/{completion_id}", "chat.completions.delete", Any),
    row(Get, "/chat/completions/{completion_id}", "chat.completions.retrieve", One("ChatCompletion")),
    row(Post, "/chat/completions/{completion_id}", "chat.completions.update", One("ChatCompletion")),
    row(Get, "/chat/completions/{completion_id}/messages", "chat.completions.messages.list", Any),
    row(Post, "/embeddings", "embeddings.create", One("CreateEmbeddingResponse")),
    row(Get, "/files", "files.list", Page("FileObject")),
    row(Post, "/files", "files.create", One("FileObject")),
    row(Delete, "/files/{file_id}", "files.delete", One("FileDeleted")),
    row(Get, "/files/{file_id}", "files.retrieve", One("FileObject")),
    row(Get, "/files/{file_id}/content", "files.content", Bytes),
    row(Post, "/uploads", "uploads.create", One("Upload")),
    row(Post, "/uploads/{upload_id}/cancel", "uploads.cancel", One("Upload")),
    row(Post, "/uploads/{upload_id}/complete", "uploads.complete", One("Upload")),
    row(Post, "/uploads/{upload_id}/parts", "uploads.parts.create", One("UploadPart")),
    row(Get, "/models", "models.list", List("Model")),
    row(Get, "/models/{model}", "models.retrieve", One("Model")),
    row(Get, "/vector_stores", "vector_stores.list", Any),
    row(Post, "/vector_stores", "vector_stores.create", Any),
    row(Delete, "/vector_stores/{vector_store_id}", "vector_stores.delete", Any),
    row(Get, "/vector_stores/{vector_store_id}", "vector_stores.retrieve", Any),
    row(Post, "/vector_stores/{vector_store_id}/search", "vector_stores.search", Any),
    row(Post, "/agents/sessions/{session_id}/fork", "sessions.fork", One("AgentSession")),
];
