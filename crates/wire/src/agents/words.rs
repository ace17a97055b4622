//! The closed sets of the Agents API.

use crate::words::words;

words! {
    Effort {
        None => "none", Minimal => "minimal", Low => "low", Medium => "medium", High => "high", Xhigh => "xhigh",
        Max => "max",
    }
    ReasoningSummary { Concise => "concise", Detailed => "detailed", Auto => "auto" }
    Verbosity { Low => "low", Medium => "medium", High => "high" }
    ServiceTier {
        Auto => "auto", Default => "default", Flex => "flex", Priority => "priority", Fast => "fast",
        Ultrafast => "ultrafast",
    }
    FormatKind { Text => "text", JsonSchema => "json_schema" }

    ToolKind {
        Function => "function", ToolSearch => "tool_search", ProgrammaticToolCalling => "programmatic_tool_calling",
        Mcp => "mcp", WebSearch => "web_search", ComputerUse => "computer_use", Automations => "automations",
    }
    TransportKind { Http => "http", Stdio => "stdio" }
    /// Where connections to an MCP server start.
    ConnectionOrigin { Service => "service", Environment => "environment" }
    SearchMode { Disabled => "disabled", Cached => "cached", Live => "live" }
    ContextSize { Low => "low", Medium => "medium", High => "high" }

    EnvironmentKind { None => "none", OpenaiHosted => "openai_hosted", SelfHosted => "self_hosted" }
    /// The one kind that is made ahead of a session.
    HostedKind { OpenaiHosted => "openai_hosted" }
    FileSourceKind { Inline => "inline", FileId => "file_id" }
    SkillKind { Inline => "inline", Reference => "skill_reference" }
    PluginKind { Inline => "inline" }
    ArchiveCoding { Base64 => "base64" }
    ArchiveType { Zip => "application/zip" }
    ContainerSize { Small => "small", Medium => "medium", Large => "large" }
    NetworkAccess { Enabled => "enabled", Disabled => "disabled", Restricted => "restricted" }
    EnvironmentStatus {
        Pending => "pending", Ready => "ready", Connected => "connected", Disconnected => "disconnected",
        Suspended => "suspended", Expired => "expired", Failed => "failed",
    }
    Review { None => "none", AutoReview => "auto_review" }
    CacheTtl { ThirtyMinutes => "30m", TwelveHours => "12h" }

    InputKind {
        Message => "agent.session.input.message", Cancel => "agent.session.input.cancel",
        ToolResult => "agent.session.input.tool_result",
        McpApproval => "agent.session.input.mcp_approval_request_result",
        ComputerUseApproval => "agent.session.input.computer_use_approval_request_result",
    }
    MessageKind { Message => "message" }
    Role { User => "user" }
    ContentKind { InputText => "input_text", InputImage => "input_image" }
    McpResponseKind { McpToolCall => "mcp_tool_call" }
    ComputerResponseKind {
        BrowserAuthentication => "browser_authentication", BrowserOriginAccess => "browser_origin_access",
    }
    AuthenticationAction { Submit => "submit", Cancel => "cancel" }
    /// How an outcome that nobody knew is settled.
    SettledAs { Committed => "committed", Failed => "failed" }
    /// The answer to an approval request.
    Decision { Approve => "approve", Deny => "deny", Cancel => "cancel" }

    SessionStatus {
        Idle => "idle", InProgress => "in_progress", RequiresAction => "requires_action", Failed => "failed",
        BudgetReached => "budget_reached",
    }
    TurnStatus {
        Queued => "queued", InProgress => "in_progress", Waiting => "waiting", Completed => "completed",
        Failed => "failed", Cancelled => "cancelled",
    }
    ItemStatus { InProgress => "in_progress", Completed => "completed", Incomplete => "incomplete", Failed => "failed" }
    /// Whether a message is the answer or was said on the way to it.
    Phase { Commentary => "commentary", FinalAnswer => "final_answer" }
}
