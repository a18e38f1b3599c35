// SPDX-License-Identifier: Apache-2.0
package weir.bench;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;

/** What the queries need of an event of the stream W. */
public final class Event {
    private static final JsonFactory JSON = new JsonFactory();

    public String user;
    public String item;
    public long ts;
    public double amount;

    /** Jackson's streaming parser: no tree, no binding, only the fields that are used. */
    public static Event parse(byte[] json) {
        Event event = new Event();
        try (JsonParser parser = JSON.createParser(json)) {
            parser.nextToken();
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String name = parser.currentName();
                parser.nextToken();
                switch (name) {
                    case "user_id" -> event.user = parser.getText();
                    case "item_id" -> event.item = parser.getText();
                    case "ts" -> event.ts = parser.getLongValue();
                    case "amount" -> event.amount = parser.getDoubleValue();
                    default -> { }
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Progress.one();
        return event;
    }
}
