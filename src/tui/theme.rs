//! Themes: colours by role. Only this module knows what a colour is.

use std::{
    collections::BTreeMap,
    fmt::Write,
    path::{Path, PathBuf},
};

use ratatui::style::{Color, Modifier, Style};
use serde::Deserialize;
use thiserror::Error;

use crate::host::environment;

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
    Link = "text.link",
    Border = "ui.border",
    Focus = "ui.focus",
    Title = "ui.title",
    Selection = "ui.selection",
    Bar = "ui.bar",
    BarOver = "ui.bar_over",
    Badge = "ui.badge",
    Key = "ui.key",
    Queued = "status.queued",
    Running = "status.running",
    Waiting = "status.waiting",
    Succeeded = "status.succeeded",
    Failed = "status.failed",
    Stopped = "status.stopped",
    Superseded = "status.superseded",
    Skipped = "status.skipped",
    Added = "diff.add",
    Deleted = "diff.del",
    LogError = "log.error",
    LogWarn = "log.warn",
    LogMark = "log.mark",
}

/// The themes that come with the program.
pub const BUNDLED: &[(&str, &str)] = &[
    ("default", include_str!("../../themes/default.toml")),
    ("light", include_str!("../../themes/light.toml")),
    ("mono", include_str!("../../themes/mono.toml")),
    ("high-contrast", include_str!("../../themes/high-contrast.toml")),
    ("midnight", include_str!("../../themes/midnight.toml")),
    ("paper", include_str!("../../themes/paper.toml")),
    ("gruvbox", include_str!("../../themes/gruvbox.toml")),
    ("nord", include_str!("../../themes/nord.toml")),
    ("catppuccin-mocha", include_str!("../../themes/catppuccin-mocha.toml")),
    ("catppuccin-latte", include_str!("../../themes/catppuccin-latte.toml")),
    ("solarized-dark", include_str!("../../themes/solarized-dark.toml")),
    ("solarized-light", include_str!("../../themes/solarized-light.toml")),
    ("tokyonight", include_str!("../../themes/tokyonight.toml")),
    ("rose-pine", include_str!("../../themes/rose-pine.toml")),
    ("modus-deuteranopia", include_str!("../../themes/modus-deuteranopia.toml")),
    ("modus-tritanopia", include_str!("../../themes/modus-tritanopia.toml")),
];

#[derive(Debug, Error)]
pub enum ThemeError {
    #[error(
        "there is no theme {name}; did you mean {}? `stagegate themes` lists them",
        nearest(name)
    )]
    Unknown { name: String },
    #[error("theme {name}: {message}")]
    Invalid { name: String, message: String },
}

fn nearest(name: &str) -> &'static str {
    let distance = |it: &&(&str, &str)| strsim::levenshtein(it.0, name);
    BUNDLED.iter().min_by_key(distance).map_or("default", |it| it.0)
}

#[derive(Clone, Debug)]
pub struct Theme {
    pub name: String,
    styles: Vec<Style>,
    /// What the file says that means nothing here.
    pub warnings: Vec<String>,
}

/// The colours of a base16 scheme that stand for ours.
const BASE16: &[(&str, &str)] = &[
    ("night", "base00"),
    ("dusk", "base01"),
    ("fog", "base03"),
    ("mist", "base04"),
    ("chalk", "base05"),
    ("snow", "base06"),
    ("ember", "base08"),
    ("sun", "base0A"),
    ("leaf", "base0B"),
    ("sky", "base0D"),
    ("plum", "base0E"),
];

/// Reads `base08: "fb4934"` or `base08 = "#fb4934"`.
fn base16_line(line: &str) -> Option<(&str, String)> {
    let (key, value) = line.trim().split_once([':', '='])?;
    let key = key.trim().trim_matches('"');
    let value: String = value.chars().filter(char::is_ascii_hexdigit).take(6).collect();
    (key.starts_with("base") && value.len() == 6).then(|| (key, format!("#{value}")))
}

/// Finds the file of a theme: a path, or a name in the user's folder of themes.
fn own_theme(name: &str) -> PathBuf {
    let path = Path::new(name);
    if path.extension().is_some() {
        return path.to_owned();
    }
    let folder = environment::configuration().map(|it| it.join("themes"));
    folder.map_or_else(|| path.to_owned(), |folder| folder.join(name).with_extension("toml"))
}

/// Returns the names of the themes in the user's folder.
pub fn own_themes() -> Vec<String> {
    let folder = environment::configuration().map(|it| it.join("themes"));
    let files = folder.and_then(|it| std::fs::read_dir(it).ok()).into_iter().flatten().flatten();
    let files =
        files.map(|it| it.path()).filter(|it| it.extension().is_some_and(|it| it == "toml"));
    let mut names: Vec<String> =
        files.filter_map(|it| Some(it.file_stem()?.to_string_lossy().into_owned())).collect();
    names.sort();
    names
}

/// Reads a theme and those it inherits from, the theme itself first.
fn read_with_parents(
    name: &str,
    text: &str,
    levels: &mut Vec<ThemeFile>,
) -> Result<(), ThemeError> {
    const DEEPEST: usize = 8;
    let invalid = |message: String| ThemeError::Invalid { name: name.to_owned(), message };
    let file: ThemeFile = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
    let parent = file.inherits.clone();
    levels.push(file);
    let Some(parent) = parent else { return Ok(()) };
    if parent == name || levels.len() > DEEPEST {
        return Err(invalid(format!("it inherits itself through {parent}")));
    }
    if let Some((_, text)) = BUNDLED.iter().find(|(bundled, _)| *bundled == parent) {
        return read_with_parents(&parent, text, levels);
    }
    let text = std::fs::read_to_string(own_theme(&parent))
        .map_err(|_| ThemeError::Unknown { name: parent.clone() })?;
    read_with_parents(&parent, &text, levels)
}

fn unknown_roles(file: &ThemeFile) -> Vec<String> {
    let known = |role: &str| {
        let group = format!("{role}.");
        Role::ALL.iter().any(|it| it.name() == role || it.name().starts_with(&group))
    };
    let unknown = file.roles.keys().filter(|role| !known(role));
    let words = unknown.map(|role| {
        let distance = |it: &&Role| strsim::levenshtein(it.name(), role);
        let nearest = Role::ALL.iter().min_by_key(distance).map_or("", |it| it.name());
        format!("there is no role {role}; did you mean {nearest}?")
    });
    words.collect()
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
        let (path, is_base16) = match name.strip_prefix("base16:") {
            Some(path) => (PathBuf::from(path), true),
            None => (own_theme(name), false),
        };
        match std::fs::read_to_string(&path) {
            Ok(text) if is_base16 => Self::of_base16(name, &text, depth),
            Ok(text) => Self::parse(name, &text, depth),
            Err(error) if is_base16 || Path::new(name).extension().is_some() => {
                let message = format!("cannot be read: {error}");
                Err(ThemeError::Invalid { name: name.to_owned(), message })
            }
            Err(_) => Err(ThemeError::Unknown { name: name.to_owned() }),
        }
    }

    pub fn parse(name: &str, text: &str, depth: Depth) -> Result<Self, ThemeError> {
        let mut levels = Vec::new();
        read_with_parents(name, text, &mut levels)?;
        let mut palette = BTreeMap::new();
        for file in levels.iter().rev() {
            palette.extend(file.palette.clone());
        }
        let invalid = |message: String| ThemeError::Invalid { name: name.to_owned(), message };
        let styles = Role::ALL.iter().map(|role| {
            // `status.failed` falls back to `status`, then to the parent, then to plain text.
            let group = role.name().split('.').next().unwrap_or_default();
            let own = |file: &ThemeFile| {
                file.roles.get(role.name()).or_else(|| file.roles.get(group)).cloned()
            };
            let paint = levels.iter().find_map(own).unwrap_or_default();
            paint.style(&palette, depth).map_err(invalid)
        });
        let styles = styles.collect::<Result<_, _>>()?;
        let warnings = levels.first().map(unknown_roles).unwrap_or_default();
        Ok(Self { name: name.to_owned(), styles, warnings })
    }

    /// Makes a theme of a base16 scheme, as its YAML or TOML files name the colours.
    pub fn of_base16(name: &str, text: &str, depth: Depth) -> Result<Self, ThemeError> {
        let colors: BTreeMap<&str, String> = text.lines().filter_map(base16_line).collect();
        let color = |key: &str| {
            colors.get(key).cloned().ok_or_else(|| ThemeError::Invalid {
                name: name.to_owned(),
                message: format!("a base16 scheme has {key}, and this has not"),
            })
        };
        let mut file = String::from("inherits = \"midnight\"\n[palette]\n");
        for (ours, theirs) in BASE16 {
            // Writing to a string cannot fail.
            let _ = writeln!(file, "{ours} = \"{}\"", color(theirs)?);
        }
        Self::parse(name, &file, depth)
    }

    pub fn style(&self, role: Role) -> Style {
        self.styles.get(role as usize).copied().unwrap_or_default()
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

    /// The bundled themes with colours of their own.
    fn coloured() -> impl Iterator<Item = Theme> {
        let themes = BUNDLED.iter().map(|(name, _)| Theme::find(name, Depth::True).unwrap());
        themes.filter(|theme| theme.style(Role::Text).bg.is_some())
    }

    #[test]
    fn every_file_in_themes_is_bundled_and_reads_without_a_warning() {
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/themes")).unwrap();
        for file in files {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            assert!(BUNDLED.iter().any(|it| it.0 == name), "{name}");
            for depth in [Depth::True, Depth::Indexed] {
                assert_eq!(Theme::find(&name, depth).unwrap().warnings, [""; 0], "{name}");
            }
        }
    }

    #[test]
    fn text_of_the_themes_with_colours_has_enough_contrast() {
        let mut poor = Vec::new();
        for theme in coloured() {
            let base = theme.style(Role::Text);
            for role in Role::ALL.iter().filter(|role| **role != Role::Border) {
                let style = base.patch(theme.style(*role));
                let mut pair = [luminance(style.fg.unwrap()), luminance(style.bg.unwrap())];
                pair.sort_by(f64::total_cmp);
                let contrast = (pair[1] + 0.05) / (pair[0] + 0.05);
                if contrast < 4.5 {
                    poor.push(format!("{}: {} has only {contrast:.2}", theme.name, role.name()));
                }
            }
        }
        assert!(poor.is_empty(), "{}", poor.join("\n"));
    }

    #[test]
    fn success_failure_waiting_and_running_never_look_the_same() {
        let roles = [Role::Succeeded, Role::Failed, Role::Waiting, Role::Running];
        for (name, _) in BUNDLED.iter().filter(|(name, _)| *name != "mono") {
            let theme = Theme::find(name, Depth::True).unwrap();
            for (at, role) in roles.iter().enumerate() {
                for other in &roles[at + 1..] {
                    assert_ne!(theme.style(*role), theme.style(*other), "{name}: {}", role.name());
                }
            }
        }
    }

    #[test]
    fn a_child_may_change_the_palette_only() {
        let text = "inherits = \"midnight\"\n[palette]\nember = \"#010203\"\n";
        let theme = Theme::parse("mine", text, Depth::True).unwrap();
        assert_eq!(theme.style(Role::Failed).fg, Some(Color::Rgb(1, 2, 3)));
    }

    #[test]
    fn a_base16_scheme_becomes_a_theme() {
        let keys = "0123456789ABCDEF".chars();
        let lines: Vec<_> = keys.map(|it| format!("base0{it}: \"0{it}0{it}0{it}\"")).collect();
        let text = lines.join("\n");
        let theme = Theme::of_base16("scheme", &text, Depth::True).unwrap();
        assert_eq!(theme.style(Role::Failed).fg, Some(Color::Rgb(8, 8, 8)));
        let wrong = Theme::of_base16("scheme", "base00: \"000000\"", Depth::True).unwrap_err();
        assert!(wrong.to_string().contains("has base01"), "{wrong}");
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
        let typo = Theme::parse("x", "[roles]\n\"status.failde\" = \"red\"", Depth::True).unwrap();
        assert_eq!(typo.warnings, ["there is no role status.failde; did you mean status.failed?"]);
        assert!(wrong("[roles]\n\"text.base\" = \"blurple\"").contains("blurple is no colour"));
        assert!(wrong("inherits = \"x\"").contains("inherits itself"));
    }
}
