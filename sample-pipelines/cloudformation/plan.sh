# Stands for `aws cloudformation create-change-set` and `describe-change-set`.
mkdir -p plan
echo "change set for $1"
sed -n 's/.*"\([A-Za-z]*\)": { "Type": "\([^"]*\)".*/+ \2 \1/p' templates/*.json | tee plan/change-set.txt
