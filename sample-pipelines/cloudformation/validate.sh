# Stands for `aws cloudformation validate-template`.
for template in templates/*.json; do
  grep -q '"Resources"' "$template" || { echo "error: $template has no Resources"; exit 1; }
  echo "$template is valid"
done
