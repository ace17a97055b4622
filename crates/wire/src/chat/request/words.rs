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
    Detail { Auto => "auto", Low => "low", High => "high", Original => "original" }
    ToolKind { Function => "function", Custom => "custom" }
    CustomKind { Text => "text", Grammar => "grammar" }
    /// The language of a custom tool's grammar.
    Syntax { Lark => "lark", Regex => "regex" }
    ChoiceWord { None => "none", Auto => "auto", Required => "required" }
    LegacyChoice { None => "none", Auto => "auto" }
    ChoiceKind { Function => "function", Custom => "custom", AllowedTools => "allowed_tools" }
    Mode { Auto => "auto", Required => "required" }
    FormatKind { Text => "text", JsonObject => "json_object", JsonSchema => "json_schema" }
    Tier {
        Auto => "auto", Default => "default", Flex => "flex", Scale => "scale", Priority => "priority", Fast => "fast",
    }
    Modality { Text => "text", Audio => "audio" }
    PredictionKind { Content => "content" }
    Retention { InMemory => "in_memory", Dashed => "in-memory", Day => "24h" }
}
