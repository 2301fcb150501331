package com.frauddetection.client;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.frauddetection.client.testing.Repository;
import java.io.IOException;
import java.io.InputStream;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/** docs/java.md lists every setting that there is, with the default that it has. */
class DocumentationTest {

    @Test
    void theTableOfSettingsIsTheCodes() throws IOException {
        Map<String, String> documented = new TreeMap<>();
        String page = Repository.read("docs/java.md");
        String section = page.substring(page.indexOf("## Settings"), page.indexOf("## When something fails"));
        Matcher row = Pattern.compile("(?m)^\\| `([a-z.-]+)` \\| (?:`([^`]+)`)? ?\\|").matcher(section);
        while (row.find()) {
            documented.put("ml.service." + row.group(1), row.group(2) == null ? "" : row.group(2));
        }

        // Written by Spring Boot's annotation processor out of the code.
        Map<String, String> real = new TreeMap<>();
        String file = "/META-INF/spring-configuration-metadata.json";
        try (InputStream metadata = MLServiceProperties.class.getResourceAsStream(file)) {
            for (JsonNode property : new ObjectMapper().readTree(metadata).path("properties")) {
                JsonNode value = property.path("defaultValue");
                boolean whole = value.isDouble() && value.asDouble() == value.asLong();
                real.put(
                        property.path("name").asText(),
                        value.isArray() ? "" : whole ? String.valueOf(value.asLong()) : value.asText());
            }
        }
        assertThat(documented).isEqualTo(real);
    }
}
