//! What is said in the quickstart, and the function that it offers. The function is this program, and its weather is
//! made up.

use crate::configuration::Provider;
use serde_json::{Value, json};

pub const FUNCTION: &str = "get_weather";
const INSTRUCTIONS: &str = "You are a helpful assistant. Answer in a full sentence.";

pub struct Talk {
    first: &'static str,
    /// Its answer is long enough to be killed in.
    pub second: &'static str,
}

impl Talk {
    /// The scripted model does nothing but what it is told, in its own language.
    pub fn with(provider: &Provider) -> Self {
        match provider {
            Provider::Script => Self {
                first: "call get_weather {\"city\": \"Oslo\"}\nsay It rains in Oslo.",
                second: "slow 60 The sea is wide and the night is long, and who goes out on it at this hour of the day \
                         had better know the way home by heart.",
            },
            _ => Self { first: "What is the weather in Oslo?", second: "Write me a short poem about the sea." },
        }
    }

    /// The body that creates the session.
    pub fn session(&self, model: &str) -> Value {
        json!({
            "agent": { "model": model, "instructions": INSTRUCTIONS, "tools": [function()] },
            "environment": { "type": "none" },
            "input": self.first,
            "stream": true,
        })
    }
}

fn function() -> Value {
    // A small model needs to be held by the hand: the pattern keeps it to one word.
    let city = json!({ "type": "string", "pattern": "^[A-Z][a-z]{2,15}$", "description": "The city, such as Rome" });
    json!({
        "type": "function",
        "name": FUNCTION,
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": { "city": city },
            "required": ["city"],
            "additionalProperties": false,
        },
    })
}

/// What the function returns, or why it fails.
pub fn call(name: &str, arguments: &Value) -> Result<String, String> {
    if name != FUNCTION {
        return Err(format!("there is no function {name}"));
    }
    match arguments["city"].as_str() {
        Some(city) => Ok(json!({ "city": city, "weather": "rain", "degrees": 9 }).to_string()),
        None => Err("the city is missing".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_function_is_there() {
        let weather = call(FUNCTION, &json!({ "city": "Rome" })).unwrap();
        assert_eq!(weather, r#"{"city":"Rome","weather":"rain","degrees":9}"#);
        assert_eq!(call(FUNCTION, &json!([])).unwrap_err(), "the city is missing");
        assert_eq!(call("f", &json!({})).unwrap_err(), "there is no function f");
    }
}
