//! One tree for TOML and JSON, in which every key and value knows its bytes in the file.

use std::ops::Range;

use jsonc_parser::{CollectOptions, ParseOptions, ast, common::Ranged};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::problem::Problem;

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Table(Vec<Entry>),
    Array(Vec<Node>),
    String(String),
    Integer(i64),
    Boolean(bool),
    Null,
    /// A kind that no field takes, by its name.
    Other(&'static str),
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_span: Range<usize>,
    pub(super) node: Node,
}

impl Value {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Table(_) => "a table",
            Self::Array(_) => "a list",
            Self::String(_) => "a string",
            Self::Integer(_) => "a number",
            Self::Boolean(_) => "true or false",
            Self::Null => "null",
            Self::Other(kind) => kind,
        }
    }
}

pub(super) fn from_toml(text: &str) -> Result<Node, Vec<Problem>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        let span = table.span();
        return Ok(Node { span, value: toml_table(table.into_inner()) });
    }
    // One mistake often causes several errors on its line; the first one is the telling one.
    let mut lines = std::collections::BTreeSet::new();
    let first_of_line = errors.into_iter().filter(|error| {
        let start = error.span().map_or(0, |span| span.start);
        lines.insert(text[..start.min(text.len())].matches('\n').count())
    });
    Err(first_of_line
        .map(|error| Problem::new(&error.span().unwrap_or(0..0), error.message()))
        .collect())
}

fn toml_table(table: DeTable<'_>) -> Value {
    let entries = table.into_iter().map(|(key, node)| Entry {
        key_span: key.span(),
        key: key.into_inner().into_owned(),
        node: toml_node(node),
    });
    Value::Table(entries.collect())
}

fn toml_node(node: Spanned<DeValue<'_>>) -> Node {
    let span = node.span();
    let value = match node.into_inner() {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Other("a number too large"), Value::Integer),
        DeValue::Float(_) => Value::Other("a fraction"),
        DeValue::Boolean(value) => Value::Boolean(value),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Array(array) => Value::Array(array.into_iter().map(toml_node).collect()),
        DeValue::Table(table) => toml_table(table),
    };
    Node { span, value }
}

pub(super) fn from_json(text: &str) -> Result<Node, Vec<Problem>> {
    let strict = ParseOptions {
        allow_comments: false,
        allow_loose_object_property_names: false,
        allow_trailing_commas: false,
    };
    let parsed =
        jsonc_parser::parse_to_ast(text, &CollectOptions::default(), &strict).map_err(|error| {
            let range = error.range();
            vec![Problem::new(&(range.start..range.end), error.kind().to_string())]
        })?;
    match parsed.value {
        Some(value) => Ok(json_node(value)),
        None => Err(vec![Problem::new(&(0..0), "the file is empty")]),
    }
}

fn json_node(value: ast::Value<'_>) -> Node {
    let range = value.range();
    let span = range.start..range.end;
    let value = match value {
        ast::Value::StringLit(text) => Value::String(text.value.into_owned()),
        ast::Value::NumberLit(number) => {
            number.value.parse().map_or(Value::Other("a fraction"), Value::Integer)
        }
        ast::Value::BooleanLit(value) => Value::Boolean(value.value),
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::Array(array) => {
            Value::Array(array.elements.into_iter().map(json_node).collect())
        }
        ast::Value::Object(object) => {
            let entries = object.properties.into_iter().map(|property| {
                let range = property.name.range();
                Entry {
                    key_span: range.start..range.end,
                    key: property.name.into_string(),
                    node: json_node(property.value),
                }
            });
            Value::Table(entries.collect())
        }
    };
    Node { span, value }
}
