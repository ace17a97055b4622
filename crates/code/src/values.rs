//! Values on their way between a program and JSON. What JSON does not have is refused in the words of Python.

use crate::step::Function;
use monty_types::{ExcType, MontyException, MontyObject};
use num_bigint::BigInt;
use serde_json::{Map, Number, Value};

/// Lists within lists that arguments may have; JSON readers give up at about twice that.
const NESTED: usize = 60;

pub fn to_python(value: Value) -> MontyObject {
    match value {
        Value::Null => MontyObject::None,
        Value::Bool(value) => MontyObject::Bool(value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => MontyObject::Int(whole),
            (None, Some(whole)) => MontyObject::BigInt(BigInt::from(whole)),
            (None, None) => MontyObject::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => MontyObject::String(text),
        Value::Array(values) => MontyObject::List(values.into_iter().map(to_python).collect()),
        Value::Object(fields) => {
            let pairs: Vec<_> =
                fields.into_iter().map(|(key, value)| (MontyObject::String(key), to_python(value))).collect();
            MontyObject::dict(pairs)
        }
    }
}

/// The arguments of a call as the caller wants them: positional ones stand for the parameters in their order, and
/// keywords for those of the same name. `known` has, beside each parameter, what the program calls it.
pub fn arguments(
    function: &Function,
    known: &[String],
    positional: Vec<MontyObject>,
    keywords: Vec<(MontyObject, MontyObject)>,
) -> Result<Value, MontyException> {
    let wrong = |text: String| raise(ExcType::TypeError, text);
    if positional.len() > function.parameters.len() {
        let (takes, given) = (function.parameters.len(), positional.len());
        return Err(wrong(format!("takes {takes} positional arguments but {given} were given")));
    }
    let mut fields = Map::new();
    for (name, value) in function.parameters.iter().zip(positional) {
        fields.insert(name.clone(), to_json(value, 0).map_err(|why| why.about(name))?);
    }
    for (key, value) in keywords {
        let MontyObject::String(key) = key else {
            return Err(wrong("keywords must be strings".to_owned()));
        };
        // A name of which the description says nothing is passed on: who is called knows what it takes.
        let name = known.iter().position(|name| *name == key).and_then(|at| function.parameters.get(at));
        let name = name.cloned().unwrap_or_else(|| key.clone());
        if fields.contains_key(&name) {
            return Err(wrong(format!("got multiple values for argument '{key}'")));
        }
        let value = to_json(value, 0).map_err(|why| why.about(&key))?;
        fields.insert(name, value);
    }
    Ok(Value::Object(fields))
}

pub fn raise(kind: ExcType, text: impl Into<String>) -> MontyException {
    MontyException::new(kind, Some(text.into()))
}

/// Why a value has no JSON.
struct Unfit(ExcType, String);

impl Unfit {
    fn about(self, argument: &str) -> MontyException {
        raise(self.0, format!("argument '{argument}': {}", self.1))
    }
}

fn to_json(value: MontyObject, depth: usize) -> Result<Value, Unfit> {
    if depth > NESTED {
        return Err(Unfit(ExcType::ValueError, format!("more than {NESTED} lists or dicts within each other")));
    }
    let all = |values: Vec<MontyObject>| {
        values.into_iter().map(|value| to_json(value, depth + 1)).collect::<Result<Vec<_>, _>>().map(Value::Array)
    };
    match value {
        MontyObject::None => Ok(Value::Null),
        MontyObject::Bool(value) => Ok(Value::Bool(value)),
        MontyObject::Int(whole) => Ok(Value::from(whole)),
        MontyObject::BigInt(whole) => u64::try_from(whole)
            .map(Value::from)
            .map_err(|_| Unfit(ExcType::OverflowError, "the int has more than 64 bits; pass it as a str".to_owned())),
        MontyObject::Float(number) => Number::from_f64(number)
            .map(Value::Number)
            .ok_or_else(|| Unfit(ExcType::ValueError, "nan and infinity are no JSON".to_owned())),
        MontyObject::String(text) | MontyObject::Path(text) => Ok(Value::String(text)),
        MontyObject::List(values)
        | MontyObject::Tuple(values)
        | MontyObject::NamedTuple { values, .. }
        | MontyObject::Set(values)
        | MontyObject::FrozenSet(values) => all(values),
        MontyObject::Dict(pairs) => {
            let mut fields = Map::new();
            for (key, value) in pairs {
                fields.insert(key_of(key)?, to_json(value, depth + 1)?);
            }
            Ok(Value::Object(fields))
        }
        other => Err(Unfit(
            ExcType::TypeError,
            format!("{} is not JSON; pass a str, number, bool, None, list or dict", other.type_name()),
        )),
    }
}

/// As `json.dumps` has it.
fn key_of(key: MontyObject) -> Result<String, Unfit> {
    match key {
        MontyObject::String(text) => Ok(text),
        MontyObject::Int(whole) => Ok(whole.to_string()),
        MontyObject::BigInt(whole) => Ok(whole.to_string()),
        MontyObject::Float(_) => Ok(key.py_repr()),
        MontyObject::Bool(value) => Ok(value.to_string()),
        MontyObject::None => Ok("null".to_owned()),
        other => Err(Unfit(ExcType::TypeError, format!("a dict's key cannot be {} in JSON", other.type_name()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn text(text: &str) -> MontyObject {
        MontyObject::String(text.to_owned())
    }

    fn called(positional: Vec<MontyObject>, keywords: Vec<(&str, MontyObject)>) -> Result<Value, String> {
        let function = Function { name: "f".into(), parameters: vec!["from".into(), "b".into()] };
        let keywords = keywords.into_iter().map(|(key, value)| (text(key), value)).collect();
        arguments(&function, &["from_".into(), "b".into()], positional, keywords).map_err(|error| error.summary())
    }

    #[test]
    fn positional_arguments_and_keywords_become_one_object() {
        let one = MontyObject::Int(1);
        assert_eq!(called(vec![one.clone()], vec![("b", text("x"))]), Ok(json!({"from": 1, "b": "x"})));
        assert_eq!(called(vec![], vec![("from_", one.clone())]), Ok(json!({"from": 1})));
        assert_eq!(called(vec![], vec![("extra", one.clone())]), Ok(json!({"extra": 1})));
        let twice = called(vec![one.clone()], vec![("from_", one.clone())]);
        assert_eq!(twice, Err("TypeError: got multiple values for argument 'from_'".into()));
        let many = called(vec![one.clone(), one.clone(), one], vec![]);
        assert_eq!(many, Err("TypeError: takes 2 positional arguments but 3 were given".into()));
    }

    #[test]
    fn what_is_no_json_is_refused_by_the_arguments_name() {
        let refused = |value| called(vec![], vec![("b", value)]).unwrap_err();
        let bytes = refused(MontyObject::Bytes(vec![1]));
        assert_eq!(bytes, "TypeError: argument 'b': bytes is not JSON; pass a str, number, bool, None, list or dict");
        assert!(refused(MontyObject::Float(f64::NAN)).contains("nan and infinity"));
        assert!(refused(MontyObject::BigInt(BigInt::from(1) << 64)).starts_with("OverflowError"));
        let deep = (0..100).fold(MontyObject::None, |inner, _| MontyObject::List(vec![inner]));
        assert!(refused(deep).starts_with("ValueError"));
    }

    #[test]
    fn values_come_through_both_ways() {
        let value = json!({"a": [1, -1, 1.5, u64::MAX, "ü\u{1F600}", true, null, {"b": {}}]});
        assert_eq!(to_json(to_python(value.clone()), 0).ok(), Some(value));
        let keys = MontyObject::dict(vec![(MontyObject::Int(1), text("x")), (MontyObject::Bool(true), text("y"))]);
        assert_eq!(to_json(keys, 0).ok(), Some(json!({"1": "x", "true": "y"})));
    }
}
