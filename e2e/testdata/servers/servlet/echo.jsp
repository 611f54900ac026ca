<%@ page contentType="application/json; charset=UTF-8" session="false" trimDirectiveWhitespaces="true" %>
<%@ page import="java.io.ByteArrayOutputStream, java.net.URLDecoder, java.nio.ByteBuffer, java.nio.charset.*, java.util.*, java.util.regex.*" %>
<%!
    // What a servlet was told of the request. Tomcat has the bytes of headers as
    // ISO-8859-1, so applications encode them again to read UTF-8.

    static byte[] bytes(String text) { return text.getBytes(StandardCharsets.ISO_8859_1); }

    static String utf8(byte[] bytes) throws CharacterCodingException {
        return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
    }

    static String decoded(String text, String how) {
        try {
            switch (how) {
            case "percent": return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
            case "rfc2047": return words(text);
            case "base64url": return utf8(Base64.getUrlDecoder().decode(text));
            default: return utf8(bytes(text));
            }
        } catch (IllegalArgumentException | CharacterCodingException e) {
            return null;
        }
    }

    static final Pattern WORD = Pattern.compile("=\\?([^?\\s]+)\\?([BbQq])\\?([^?\\s]*)\\?=(?:\\s+(?==\\?[^?\\s]+\\?[BbQq]\\?[^?\\s]*\\?=))?");

    // RFC 2047, which is MimeUtility.decodeText in Jakarta Mail: Tomcat has no library
    // for it. White space between two encoded words is not part of the text.
    static String words(String text) {
        return WORD.matcher(text).replaceAll(word -> {
            String encoded = word.group(3);
            byte[] content = word.group(2).equalsIgnoreCase("B") ? Base64.getDecoder().decode(encoded) : quoted(encoded);
            return Matcher.quoteReplacement(new String(content, Charset.forName(word.group(1))));
        });
    }

    static byte[] quoted(String text) {
        var content = new ByteArrayOutputStream();
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c == '=') {
                content.write(HexFormat.fromHexDigits(text, i + 1, i + 3));
                i += 2;
            } else {
                content.write(c == '_' ? ' ' : c);
            }
        }
        return content.toByteArray();
    }

    static String quote(String text) {
        if (text == null) {
            return "null";
        }
        var quoted = new StringBuilder("\"");
        text.chars().forEach(c -> quoted.append(String.format("\\u%04x", c)));
        return quoted.append('"').toString();
    }

    static String variable(String of, String name, String text, String how) {
        return String.format("{\"of\": %s, \"name\": %s, \"text\": %s, \"hex\": %s, \"decoded\": %s}",
            quote(of), quote(name), quote(text), quote(HexFormat.of().formatHex(bytes(text))), quote(decoded(text, how)));
    }
%>
<%
    String how = Objects.requireNonNullElse(request.getParameter("decode"), "raw");
    var variables = new ArrayList<String>();
    for (String name : Collections.list(request.getHeaderNames())) {
        for (String value : Collections.list(request.getHeaders(name))) {
            variables.add(variable("getHeaders()", name, value, how));
        }
    }
    var more = new LinkedHashMap<String, String>();
    more.put("getMethod()", request.getMethod());
    more.put("getRequestURI()", request.getRequestURI());
    more.put("getQueryString()", request.getQueryString());
    more.put("getRemoteUser()", request.getRemoteUser());
    more.put("getAuthType()", request.getAuthType());
    more.forEach((name, value) -> {
        if (value != null) {
            variables.add(variable("request", name, value, how));
        }
    });
    response.setHeader("Cache-Control", "no-store");
    out.print("{\"server\": " + quote("Java " + Runtime.version().feature() + " " + application.getServerInfo())
        + ", \"variables\": [" + String.join(",", variables) + "]}");
%>
