//! Themes: colours by role. Only this module knows what a colour is.

use std::{collections::BTreeMap, path::Path};

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;
use thiserror::Error;

macro_rules! roles {
    ($($role:ident = $name:literal),+ $(,)?) => {
        /// What something on the screen means.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Role { $($role),+ }

        impl Role {
            pub const ALL: &[Role] = &[$(Role::$role),+];

            pub fn name(self) -> &'static str {
                match self { $(Role::$role => $name),+ }
            }
        }
    };
}

roles! {
    Text = "text.base",
    Muted = "text.muted",
    Strong = "text.strong",
    Border = "ui.border",
    Focus = "ui.focus",
    Title = "ui.title",
    Selection = "ui.selection",
    Bar = "ui.bar",
    Badge = "ui.badge",
    Key = "ui.key",
    Queued = "status.queued",
    Running = "status.running",
    Waiting = "status.waiting",
    Succeeded = "status.succeeded",
    Failed = "status.failed",
    Stopped = "status.stopped",
    Superseded = "status.superseded",
    Added = "diff.add",
    Deleted = "diff.del",
    LogError = "log.error",
    LogMark = "log.mark",
}

/// The themes that come with the program.
pub const BUNDLED: &[(&str, &str)] = &[
    ("default", include_str!("../../themes/default.toml")),
    ("midnight", include_str!("../../themes/midnight.toml")),
    ("paper", include_str!("../../themes/paper.toml")),
    ("mono", include_str!("../../themes/mono.toml")),
];

#[derive(Debug, Error)]
pub enum ThemeError {
    #[error("there is no theme {name}; there is {}, or give a file", bundled())]
    Unknown { name: String },
    #[error("theme {name}: {message}")]
    Invalid { name: String, message: String },
}

fn bundled() -> String {
    BUNDLED.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

#[derive(Clone, Debug)]
pub struct Theme {
    pub name: String,
    styles: Vec<Style>,
}

/// How many colours the terminal says it can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    True,
    Indexed,
}

impl Theme {
    /// Finds a theme among the bundled ones, else reads it from a file.
    pub fn find(name: &str, depth: Depth) -> Result<Self, ThemeError> {
        if let Some((name, text)) = BUNDLED.iter().find(|(bundled, _)| *bundled == name) {
            return Self::parse(name, text, depth);
        }
        let path = Path::new(name);
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(name, &text, depth),
            Err(error) if path.extension().is_some() => {
                let message = format!("cannot be read: {error}");
                Err(ThemeError::Invalid { name: name.to_owned(), message })
            }
            Err(_) => Err(ThemeError::Unknown { name: name.to_owned() }),
        }
    }

    pub fn parse(name: &str, text: &str, depth: Depth) -> Result<Self, ThemeError> {
        let invalid = |message: String| ThemeError::Invalid { name: name.to_owned(), message };
        let file: ThemeFile = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
        let parent = match file.inherits.as_deref() {
            Some(parent) if parent != name => Some(Self::find(parent, depth)?),
            Some(_) => return Err(invalid("it inherits itself".to_owned())),
            None => None,
        };
        for role in file.roles.keys() {
            let known = Role::ALL
                .iter()
                .any(|it| it.name() == role || it.name().starts_with(&format!("{role}.")));
            if !known {
                return Err(invalid(format!("unknown role {role}")));
            }
        }
        let styles = Role::ALL.iter().map(|role| {
            // `status.failed` falls back to `status`, then to the parent, then to plain text.
            let group = role.name().split('.').next().unwrap_or_default();
            let own = file.roles.get(role.name()).or_else(|| file.roles.get(group));
            match (own, &parent) {
                (Some(paint), _) => paint.style(&file.palette, depth).map_err(invalid),
                (None, Some(parent)) => Ok(parent.style(*role)),
                (None, None) => Ok(Style::default()),
            }
        });
        Ok(Self { name: name.to_owned(), styles: styles.collect::<Result<_, _>>()? })
    }

    pub fn style(&self, role: Role) -> Style {
        self.styles.get(role as usize).copied().unwrap_or_default()
    }

    /// Returns the name of the bundled theme after this one.
    pub fn next(&self) -> &'static str {
        let at = BUNDLED.iter().position(|(name, _)| *name == self.name).map_or(0, |at| at + 1);
        BUNDLED[at % BUNDLED.len()].0
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThemeFile {
    inherits: Option<String>,
    #[serde(default)]
    palette: BTreeMap<String, String>,
    #[serde(default)]
    roles: BTreeMap<String, Paint>,
}

/// A colour, or a table with attributes.
#[derive(Clone, Default)]
struct Paint {
    fg: Option<String>,
    bg: Option<String>,
    modifiers: Modifier,
}

impl<'de> Deserialize<'de> for Paint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(deserializer)?;
        let mut paint = Paint::default();
        let table = match value {
            toml::Value::String(color) => return Ok(Paint { fg: Some(color), ..paint }),
            toml::Value::Table(table) => table,
            _ => return Err(serde::de::Error::custom("a role is a colour or a table")),
        };
        for (key, value) in table {
            let modifier = match (key.as_str(), value) {
                ("fg", toml::Value::String(color)) => {
                    paint.fg = Some(color);
                    continue;
                }
                ("bg", toml::Value::String(color)) => {
                    paint.bg = Some(color);
                    continue;
                }
                (_, toml::Value::Boolean(false)) => continue,
                ("bold", _) => Modifier::BOLD,
                ("dim", _) => Modifier::DIM,
                ("italic", _) => Modifier::ITALIC,
                ("underlined", _) => Modifier::UNDERLINED,
                ("reversed", _) => Modifier::REVERSED,
                (other, _) => {
                    return Err(serde::de::Error::custom(format!("unknown attribute {other}")));
                }
            };
            paint.modifiers |= modifier;
        }
        Ok(paint)
    }
}

impl Paint {
    fn style(&self, palette: &BTreeMap<String, String>, depth: Depth) -> Result<Style, String> {
        let color = |name: &Option<String>| {
            let Some(name) = name else { return Ok(None) };
            let value = palette.get(name).unwrap_or(name);
            let color: Color = value.parse().map_err(|_| format!("{value} is no colour"))?;
            Ok::<_, String>(Some(match depth {
                Depth::True => color,
                Depth::Indexed => nearest_indexed(color),
            }))
        };
        let mut style = Style::default().add_modifier(self.modifiers);
        (style.fg, style.bg) = (color(&self.fg)?, color(&self.bg)?);
        Ok(style)
    }
}

/// The levels of the colour cube.
const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// Finds the colour of the 256 that is nearest: a step of the cube or of the grey ramp.
fn nearest_indexed(color: Color) -> Color {
    let Color::Rgb(red, green, blue) = color else { return color };
    let step =
        |value: u8| (0_u8..6).min_by_key(|at| STEPS[usize::from(*at)].abs_diff(value)).unwrap_or(0);
    let cube = [step(red), step(green), step(blue)];
    let cube_rgb = cube.map(|at| STEPS[usize::from(at)]);
    let average = (u16::from(red) + u16::from(green) + u16::from(blue)) / 3;
    let grey = u8::try_from((average.saturating_sub(3) / 10).min(23)).unwrap_or(23);
    let distance = |other: [u8; 3]| -> u32 {
        let pairs = [red, green, blue].into_iter().zip(other);
        pairs.map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
    };
    if distance([8 + 10 * grey; 3]) < distance(cube_rgb) {
        Color::Indexed(232 + grey)
    } else {
        Color::Indexed(16 + 36 * cube[0] + 6 * cube[1] + cube[2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(color: Color) -> f64 {
        let Color::Rgb(red, green, blue) = color else { panic!("{color:?} is not 24 bit") };
        let linear = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
    }

    #[test]
    fn every_bundled_theme_reads_and_says_every_role() {
        for (name, text) in BUNDLED {
            Theme::parse(name, text, Depth::True).unwrap();
            for role in Role::ALL {
                assert!(text.contains(&format!("\"{}\"", role.name())), "{name}: {}", role.name());
            }
        }
    }

    #[test]
    fn text_of_the_true_colour_themes_has_enough_contrast() {
        for name in ["midnight", "paper"] {
            let theme = Theme::find(name, Depth::True).unwrap();
            let base = theme.style(Role::Text);
            for role in Role::ALL.iter().filter(|role| **role != Role::Border) {
                let style = base.patch(theme.style(*role));
                let mut pair = [luminance(style.fg.unwrap()), luminance(style.bg.unwrap())];
                pair.sort_by(f64::total_cmp);
                let contrast = (pair[1] + 0.05) / (pair[0] + 0.05);
                assert!(contrast >= 4.5, "{name}: {} has only {contrast:.2}", role.name());
            }
        }
    }

    #[test]
    fn a_theme_may_set_one_role_only() {
        let text = "inherits = \"midnight\"\n[roles]\n\"status\" = \"#ffffff\"\n";
        let theme = Theme::parse("mine", text, Depth::True).unwrap();
        let parent = Theme::find("midnight", Depth::True).unwrap();
        assert_eq!(theme.style(Role::Failed).fg, Some(Color::Rgb(255, 255, 255)));
        assert_eq!(theme.style(Role::Title), parent.style(Role::Title));
    }

    #[test]
    fn wrong_themes_are_refused_with_the_reason() {
        let wrong = |text: &str| Theme::parse("x", text, Depth::True).unwrap_err().to_string();
        assert!(
            wrong("[roles]\n\"status.failde\" = \"red\"").contains("unknown role status.failde")
        );
        assert!(wrong("[roles]\n\"text.base\" = \"blurple\"").contains("blurple is no colour"));
        assert!(wrong("inherits = \"x\"").contains("inherits itself"));
    }
}
