use crate::runtime::RuntimeHandle;
pub struct Look;
impl Look {
    pub fn choose(_: Option<&str>, _: bool, _: bool, _: bool) -> std::io::Result<Self> {
        Ok(Self)
    }
}
pub fn require_terminal() -> Result<(), String> {
    Ok(())
}
pub enum Ownership {
    Inside,
    Attached,
}
pub async fn run(_h: RuntimeHandle, _l: Look, _o: Ownership) -> std::io::Result<()> {
    Ok(())
}
