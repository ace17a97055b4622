//! The closed sets of a chat request.

use crate::words::words;

words! {
    Role {
        System => "system", Developer => "developer", User => "user", Assistant => "assistant", Tool => "tool",
        Function => "function",
    }
    TextKind { Text => "text" }
    AssistantKind { Text => "text", Refusal => "refusal" }
    UserKind { Text => "text", ImageUrl => "image_url", InputAudio => "input_audio", File => "file" }
    LegacyChoice { None => "none", Auto => "auto" }
    Tier {
        Auto => "auto", Default => "default", Flex => "flex", Scale => "scale", Priority => "priority", Fast => "fast",
    }
    Modality { Text => "text", Audio => "audio" }
    PredictionKind { Content => "content" }
    Retention { InMemory => "in_memory", Dashed => "in-memory", Day => "24h" }
}
