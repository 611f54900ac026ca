package profile

import (
	"encoding/json"
	"strings"
)

// Text is what a placeholder or a header shows of a claim:
//
//   - text as it is, a number with the digits that were sent, a boolean as true
//     or false, null as nothing;
//   - an array of these joined with commas. A comma inside an element becomes
//     %2C and a percent sign %25, so that one group can never be read as two;
//   - an object, and an array that holds an object, an array or null, as compact
//     JSON with sorted keys.
func Text(claim any) string {
	if s, ok := scalar(claim); ok {
		return s
	}
	if list, ok := claim.([]any); ok {
		if s, ok := join(list); ok {
			return s
		}
	}
	return jsonText(claim)
}

// TextWithJSONLists is Text but for arrays, which are compact JSON whatever they
// hold. An empty one is nothing, as with Text.
func TextWithJSONLists(claim any) string {
	if list, ok := claim.([]any); ok && len(list) > 0 {
		return jsonText(list)
	}
	return Text(claim)
}

func jsonText(claim any) string {
	encoded, err := compact(claim)
	if claim == nil || err != nil {
		return ""
	}
	return string(encoded)
}

func scalar(claim any) (string, bool) {
	switch c := claim.(type) {
	case string:
		return c, true
	case json.Number:
		return c.String(), true
	case bool:
		if c {
			return "true", true
		}
		return "false", true
	}
	return "", false
}

var escapeComma = strings.NewReplacer("%", "%25", ",", "%2C")

func join(list []any) (string, bool) {
	elements := make([]string, len(list))
	for i, element := range list {
		s, ok := scalar(element)
		if !ok {
			return "", false
		}
		elements[i] = escapeComma.Replace(s)
	}
	return strings.Join(elements, ","), true
}
