//! The closed sets of the Responses API.

use crate::words::words;

words! {
    Summary { Auto => "auto", Concise => "concise", Detailed => "detailed" }
    ReasoningContext { Auto => "auto" }
    ReasoningMode { Standard => "standard" }
    ServiceTier {
        Auto => "auto", Default => "default", Flex => "flex", Scale => "scale", Priority => "priority", Fast => "fast",
        Ultrafast => "ultrafast",
    }
    Truncation { Auto => "auto", Disabled => "disabled" }
    Include {
        FileSearchResults => "file_search_call.results",
        WebSearchResults => "web_search_call.results",
        WebSearchSources => "web_search_call.action.sources",
        InputImageUrl => "message.input_image.image_url",
        ComputerImageUrl => "computer_call_output.output.image_url",
        CodeOutputs => "code_interpreter_call.outputs",
        EncryptedReasoning => "reasoning.encrypted_content",
        Logprobs => "message.output_text.logprobs",
    }
    Retention { InMemory => "in_memory", Day => "24h" }
    CacheMode { Implicit => "implicit", Explicit => "explicit" }
    ManagementKind { Compaction => "compaction" }
    /// What a client may say over a WebSocket.
    FrameKind { Create => "response.create", Steer => "response.steer" }

    ItemKind {
        Message => "message", FunctionCall => "function_call", FunctionCallOutput => "function_call_output",
        CustomToolCall => "custom_tool_call", CustomToolCallOutput => "custom_tool_call_output",
        Reasoning => "reasoning", Compaction => "compaction", ItemReference => "item_reference",
    }
    Role { User => "user", Assistant => "assistant", System => "system", Developer => "developer" }
    PartKind {
        InputText => "input_text", InputImage => "input_image", InputFile => "input_file",
        OutputText => "output_text", Refusal => "refusal",
    }
    OutputPartKind { Text => "input_text", Image => "input_image", File => "input_file" }
    SummaryKind { SummaryText => "summary_text" }
    ReasoningTextKind { ReasoningText => "reasoning_text" }

    /// Every tool that the original knows; only the first two are served.
    ToolKind {
        Function => "function", Custom => "custom", FileSearch => "file_search", Computer => "computer",
        ComputerUsePreview => "computer_use_preview", WebSearch => "web_search",
        WebSearchDated => "web_search_2025_08_26", WebSearchPreview => "web_search_preview",
        WebSearchPreviewDated => "web_search_preview_2025_03_11", Mcp => "mcp", CodeInterpreter => "code_interpreter",
        ProgrammaticToolCalling => "programmatic_tool_calling", ImageGeneration => "image_generation",
        LocalShell => "local_shell", Shell => "shell", Namespace => "namespace", ToolSearch => "tool_search",
        ApplyPatch => "apply_patch",
    }

    ResponseStatus {
        Queued => "queued", InProgress => "in_progress", Completed => "completed", Failed => "failed",
        Cancelled => "cancelled", Incomplete => "incomplete",
    }
    IncompleteReason { MaxOutputTokens => "max_output_tokens", ContentFilter => "content_filter" }
    ItemStatus { InProgress => "in_progress", Completed => "completed", Incomplete => "incomplete" }
}
